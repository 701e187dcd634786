//! Clients over the socket, as other people's programs are: with a certificate of an authority
//! that is not the gateway's own, or with a token.

use crate::socket::Socket;
use crate::stage::Answered;
use data_encoding::BASE64;
use fleetlog_chassis::Clock;
use http::Request;
use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

/// A client of its own identity.
pub struct Wire {
    pub client: Client,
}

impl Wire {
    /// With a certificate of the other authority.
    pub async fn of(socket: &Socket, user: &str, groups: &[&str]) -> Self {
        let signed = socket.other.user(user, groups, Clock::System.now()).unwrap();
        let data = |pem: &str| BASE64.encode(pem.as_bytes());
        let shown = json!({
            "client-certificate-data": data(&signed.certificate),
            "client-key-data": data(&signed.key),
        });
        Self::shown(socket, &shown).await
    }

    /// As somebody who runs the hub.
    pub async fn admin(socket: &Socket) -> Self {
        Self::of(socket, "root", &["system:masters"]).await
    }

    /// With a token.
    pub async fn with(socket: &Socket, token: &str) -> Self {
        Self::shown(socket, &json!({ "token": token })).await
    }

    async fn shown(socket: &Socket, user: &Value) -> Self {
        let authority = BASE64.encode(socket.own.certificate.as_bytes());
        let server = format!("https://localhost:{}", socket.address.port());
        let cluster = json!({ "server": server, "certificate-authority-data": authority });
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{ "name": "hub", "cluster": cluster }],
            "users": [{ "name": "u", "user": user }],
            "contexts": [{ "name": "c", "context": { "cluster": "hub", "user": "u" } }],
        });
        let config = Kubeconfig::from_yaml(&config.to_string()).unwrap();
        let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await;
        Self { client: Client::try_from(config.unwrap()).unwrap() }
    }

    /// Sends a request; the body of a PATCH is a merge patch.
    pub async fn ask(&self, method: &str, path: &str, body: Value) -> Answered {
        let kind = match method {
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let bytes = if body.is_null() { vec![] } else { body.to_string().into_bytes() };
        let request = Request::builder().method(method).uri(path).header("content-type", kind);
        let response = self.client.send(request.body(Body::from(bytes)).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        Answered { code: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub async fn get(&self, path: &str) -> Answered {
        self.ask("GET", path, Value::Null).await
    }

    /// A watch that is let in.
    pub async fn watch(&self, path: &str) -> Told {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = self.client.send(request).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        Told { body: response.into_body(), read: vec![] }
    }
}

/// What a watch tells, line by line.
pub struct Told {
    body: Body,
    read: Vec<u8>,
}

impl Told {
    /// The type of the next event, and its object; `None` when the watch has ended.
    pub async fn event(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                let mut event: Value = serde_json::from_slice(&line).unwrap();
                let object = event["object"].take();
                return Some((event["type"].as_str().unwrap().to_owned(), object));
            }
            let frame = self.body.frame().await?.ok()?;
            self.read.extend_from_slice(&frame.into_data().ok()?);
        }
    }

    /// The first object of a type that fits; what comes before is passed over.
    pub async fn until(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let (kind, object) = self.event().await.unwrap_or_else(|| panic!("no {what} came"));
            if kind == what && fits(&object) {
                return object;
            }
        }
    }
}
