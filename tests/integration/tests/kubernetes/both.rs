//! Two APIs of the same kinds: the gateway on a hub in memory, and a real kube-apiserver.

use crate::definitions;
use crate::stage::Stage;
use bytes::Bytes;
use fleetlog_gateway::Caller;
use fleetlog_test_support::{KubeMember, eventually};
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use kube::Config;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::timeout;

/// How long an answer may pause, a watch say; what came until then is compared.
const TOLD_WITHIN: Duration = Duration::from_secs(5);

/// What was answered, as it came.
#[derive(Debug)]
pub struct Raw {
    pub code: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Both of them. The first of each pair is Kubernetes.
pub struct Both {
    gateway: Stage,
    kube: kube::Client,
}

impl Both {
    /// Starts the gateway; the kube-apiserver is one for all tests. `None` where none can be had.
    pub async fn start(what: &str) -> Option<Self> {
        let member = KubeMember::shared(what)?;
        let file = Kubeconfig::read_from(member.kubeconfig()).unwrap();
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(file, &options);
        // Every answer is what it is, also one that says to come again.
        let mut config = config.await.unwrap();
        config.default_retry = false;
        let kube = kube::Client::try_from(config).unwrap();
        static DEFINED: OnceCell<()> = OnceCell::const_new();
        DEFINED.get_or_init(|| define(kube.clone())).await;
        Some(Self { gateway: Stage::new().await, kube })
    }

    /// Sends one request to both.
    pub async fn ask(&self, [kube, gateway]: [Request<Bytes>; 2], events: usize) -> [Raw; 2] {
        let admin = Caller::known("admin", &["system:masters"]);
        let response = self.gateway.gateway.answer(&admin, &gateway).await;
        let (parts, body) = response.into_parts();
        let body = collected(body, events).await;
        let ours = Raw { code: parts.status.as_u16(), headers: parts.headers, body };
        [send(&self.kube, kube, events).await, ours]
    }
}

async fn send(kube: &kube::Client, request: Request<Bytes>, events: usize) -> Raw {
    let (parts, body) = request.into_parts();
    let response = kube.send(Request::from_parts(parts, Body::from(body.to_vec()))).await;
    let (parts, body) = response.unwrap().into_parts();
    let body = collected(body, events).await;
    Raw { code: parts.status.as_u16(), headers: parts.headers, body }
}

/// The body to its end, or so many lines of it.
async fn collected<B>(mut body: B, lines: usize) -> Bytes
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Debug,
{
    let (mut all, within) = (vec![], if lines == 0 { TOLD_WITHIN / 2 } else { TOLD_WITHIN });
    let more = |all: &[u8]| all.iter().filter(|byte| **byte == b'\n').count() < lines;
    while lines == 0 || more(&all) {
        let Ok(Some(frame)) = timeout(within, body.frame()).await else { break };
        if let Ok(data) = frame.unwrap().into_data() {
            all.extend_from_slice(&data);
        }
    }
    all.into()
}

/// Makes Kubernetes know the hub's kinds, and waits until it serves them.
async fn define(kube: kube::Client) {
    let at = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let all = definitions::all();
    for definition in &all {
        let request = Request::post(at).header("content-type", "application/json");
        let request = request.body(Bytes::from(definition.to_string())).unwrap();
        let made = send(&kube, request, 0).await;
        assert_eq!(made.code, 201, "{definition}: {:?}", made.body);
    }
    for definition in &all {
        let spec = &definition["spec"];
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        for version in spec["versions"].as_array().unwrap() {
            let (group, plural) = (text(&spec["group"]), text(&spec["names"]["plural"]));
            let path = format!("/apis/{group}/{}/{plural}", text(&version["name"]));
            eventually(&format!("\"{path}\" is served"), async || {
                let request = Request::get(&path).body(Bytes::new()).unwrap();
                (send(&kube, request, 0).await.code == 200).then_some(())
            })
            .await
            .unwrap();
        }
    }
}
