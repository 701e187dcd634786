//! Makes what is missing and compares what is there, field by field. Nothing is ever changed: a
//! stream that differs is a refusal, because some settings cannot be taken back.

use async_nats::{Client, ConnectOptions};
use fleetlog_bus::Credentials;
use nkeys::KeyPair;
use serde_json::{Value, json};

use crate::refusal::HubRefusal;
use crate::streams::{SNAP_BUCKET, queues, streams};
use crate::wire;

/// Connects as a user of one's own; the inbox prefix is the one that the user's role allows.
///
/// # Errors
/// When the server does not let the user in.
pub async fn connect(url: &str, credentials: &Credentials) -> Result<Client, HubRefusal> {
    let refused = |why: String| HubRefusal::Unreachable { url: url.to_owned(), why };
    let key = KeyPair::from_seed(&credentials.seed).map_err(|why| refused(why.to_string()))?;
    let name = credentials.name().unwrap_or_default();
    let sign = move |nonce: Vec<u8>| {
        let signed = key.sign(&nonce).map_err(async_nats::AuthError::new);
        async move { signed }
    };
    ConnectOptions::with_jwt(credentials.jwt.clone(), sign)
        .custom_inbox_prefix(format!("_INBOX_{name}"))
        .name(format!("fleetlog {name}"))
        .connect(url)
        .await
        .map_err(|why| refused(why.to_string()))
}

/// Makes every stream, bucket and queue that is missing, and verifies all others.
///
/// # Errors
/// [`HubRefusal::Differs`] names the first thing that differs, with each differing field.
pub async fn apply(client: &Client) -> Result<(), HubRefusal> {
    each(client, Missing::Make).await
}

/// Verifies that everything is there as it should be.
///
/// # Errors
/// As [`apply`], and a thing that is missing.
pub async fn verify(client: &Client) -> Result<(), HubRefusal> {
    each(client, Missing::Refuse).await
}

#[derive(Clone, Copy)]
enum Missing {
    Make,
    Refuse,
}

/// One thing that the server should have: what it is for people, and the calls about it.
struct Thing {
    what: String,
    info: String,
    create: String,
    body: Value,
    config: Value,
}

async fn each(client: &Client, missing: Missing) -> Result<(), HubRefusal> {
    for thing in things() {
        let answer = ask(client, &thing.info, &json!({})).await?;
        let reported = match (found(&answer), missing) {
            (Some(config), _) => config,
            (None, Missing::Make) => {
                let made = ask(client, &thing.create, &thing.body).await?;
                found(&made).ok_or_else(|| HubRefusal::NotMade {
                    what: thing.what.clone(),
                    why: made["error"].to_string(),
                })?
            }
            (None, Missing::Refuse) => {
                let fields = vec![format!("it is missing ({})", answer["error"]["description"])];
                return Err(HubRefusal::Differs { what: thing.what, fields });
            }
        };
        let fields = wire::differences(&thing.config, &reported);
        if !fields.is_empty() {
            return Err(HubRefusal::Differs { what: thing.what, fields });
        }
    }
    Ok(())
}

fn things() -> Vec<Thing> {
    let stream = |config: Value| {
        let name = config["name"].as_str().unwrap_or_default();
        Thing {
            what: format!("stream \"{name}\""),
            info: format!("$JS.API.STREAM.INFO.{name}"),
            create: format!("$JS.API.STREAM.CREATE.{name}"),
            body: config.clone(),
            config,
        }
    };
    let mut all: Vec<Thing> = streams().iter().map(|spec| stream(wire::stream(spec))).collect();
    all.push(stream(wire::bucket(SNAP_BUCKET)));
    for spec in queues() {
        let (config, at) = (wire::queue(&spec), format!("{}.{}", spec.stream, spec.durable));
        all.push(Thing {
            what: format!("queue \"{}\" of stream \"{}\"", spec.durable, spec.stream),
            info: format!("$JS.API.CONSUMER.INFO.{at}"),
            create: format!("$JS.API.CONSUMER.CREATE.{at}.{}", spec.filter),
            body: json!({ "stream_name": spec.stream, "config": config, "action": "create" }),
            config,
        });
    }
    all
}

fn found(answer: &Value) -> Option<Value> {
    if answer.get("error").is_some() { None } else { answer.get("config").cloned() }
}

async fn ask(client: &Client, subject: &str, body: &Value) -> Result<Value, HubRefusal> {
    let failed = |why: String| HubRefusal::NotMade { what: format!("\"{subject}\""), why };
    let request = client.request(subject.to_owned(), body.to_string().into());
    let answer = request.await.map_err(|why| failed(why.to_string()))?;
    serde_json::from_slice(&answer.payload).map_err(|why| failed(why.to_string()))
}
