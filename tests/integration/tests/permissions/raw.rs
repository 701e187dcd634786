//! A NATS client that does as it is told: it sends what no client of ours would, and learns the
//! server's verdict on each operation, because all of them go through one connection in order.

use fleetlog_bus::Credentials;
use nkeys::KeyPair;
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// How long the server may take for anything.
const WITHIN: Duration = Duration::from_secs(10);

/// What a subscription got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The subject.
    pub subject: String,
    /// Where an answer goes.
    pub reply: Option<String>,
    /// Headers, as they came.
    pub headers: String,
    /// The payload.
    pub payload: String,
}

/// One connection.
pub struct Raw {
    stream: BufReader<TcpStream>,
    /// Everything heard so far.
    pub heard: Vec<Heard>,
    errors: Vec<String>,
    subscriptions: u32,
}

/// The server ended the conversation; its last words.
#[derive(Debug, PartialEq, Eq)]
pub struct Cut(pub String);

impl Raw {
    /// Connects; the error is how the server refused.
    pub async fn connect(url: &str, credentials: &Credentials) -> Result<Self, Cut> {
        let address = url.strip_prefix("nats://").unwrap_or(url);
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut raw = Self {
            stream: BufReader::new(stream),
            heard: vec![],
            errors: vec![],
            subscriptions: 0,
        };
        let info = raw.line().await?;
        let info: serde_json::Value = serde_json::from_str(&info["INFO ".len()..]).unwrap();
        let nonce = info["nonce"].as_str().unwrap_or_default();
        let key = KeyPair::from_seed(&credentials.seed).unwrap();
        let signed = data_encoding::BASE64URL_NOPAD.encode(&key.sign(nonce.as_bytes()).unwrap());
        let connect = json!({
            "verbose": false, "pedantic": false, "lang": "raw", "version": "0", "protocol": 1,
            "headers": true, "no_responders": true, "jwt": credentials.jwt, "sig": signed,
        });
        raw.write(&format!("CONNECT {connect}\r\n")).await?;
        match raw.settle().await?.pop() {
            Some(error) => Err(Cut(error)),
            None => Ok(raw),
        }
    }

    /// Sends an operation without waiting for anything.
    async fn write(&mut self, operation: &str) -> Result<(), Cut> {
        let written = self.stream.get_mut().write_all(operation.as_bytes()).await;
        written.map_err(|why| Cut(why.to_string()))
    }

    /// Publishes.
    pub async fn publish(&mut self, subject: &str, payload: &str) -> Result<(), Cut> {
        self.write(&format!("PUB {subject} {}\r\n{payload}\r\n", payload.len())).await
    }

    /// Publishes with a reply subject of any kind.
    pub async fn ask(&mut self, subject: &str, reply: &str, payload: &str) -> Result<(), Cut> {
        self.write(&format!("PUB {subject} {reply} {}\r\n{payload}\r\n", payload.len())).await
    }

    /// Publishes with a reply subject and one header.
    pub async fn ask_with(
        &mut self,
        subject: &str,
        reply: &str,
        (name, value): (&str, &str),
        payload: &str,
    ) -> Result<(), Cut> {
        let headers = format!("NATS/1.0\r\n{name}: {value}\r\n\r\n");
        let (some, all) = (headers.len(), headers.len() + payload.len());
        self.write(&format!("HPUB {subject} {reply} {some} {all}\r\n{headers}{payload}\r\n")).await
    }

    /// Subscribes; the number is for [`Self::unsubscribe`].
    pub async fn subscribe(&mut self, filter: &str, group: &str) -> Result<u32, Cut> {
        self.subscriptions += 1;
        let number = self.subscriptions;
        self.write(&format!("SUB {filter} {group} {number}\r\n")).await?;
        Ok(number)
    }

    /// Ends a subscription.
    pub async fn unsubscribe(&mut self, number: u32) -> Result<(), Cut> {
        self.write(&format!("UNSUB {number}\r\n")).await
    }

    /// Waits until the server has handled everything sent before; answers what it refused of it.
    pub async fn settle(&mut self) -> Result<Vec<String>, Cut> {
        self.write("PING\r\n").await?;
        loop {
            let line = self.line().await?;
            match line.split_once(' ').unwrap_or((&line, "")) {
                ("PONG", _) => return Ok(std::mem::take(&mut self.errors)),
                ("PING", _) => self.write("PONG\r\n").await?,
                ("-ERR", text) => self.errors.push(text.trim_matches('\'').to_owned()),
                ("MSG", rest) => self.message(rest, false).await?,
                ("HMSG", rest) => self.message(rest, true).await?,
                _ => {}
            }
        }
    }

    /// What came on subjects that `wanted` takes, off the list.
    pub fn take(&mut self, wanted: impl Fn(&Heard) -> bool) -> Vec<Heard> {
        let (taken, left) = std::mem::take(&mut self.heard).into_iter().partition(wanted);
        self.heard = left;
        taken
    }

    async fn message(&mut self, line: &str, has_headers: bool) -> Result<(), Cut> {
        let mut words: Vec<&str> = line.split(' ').collect();
        let size: usize = words.pop().unwrap().parse().unwrap();
        let head: usize = if has_headers { words.pop().unwrap().parse().unwrap() } else { 0 };
        let mut content = vec![0; size + 2];
        let read = self.stream.read_exact(&mut content).await;
        read.map_err(|why| Cut(why.to_string()))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.heard.push(Heard {
            subject: words[0].to_owned(),
            reply: words.get(2).map(|&reply| reply.to_owned()),
            headers: text(&content[..head]),
            payload: text(&content[head..size]),
        });
        Ok(())
    }

    async fn line(&mut self) -> Result<String, Cut> {
        let mut line = String::new();
        let read = tokio::time::timeout(WITHIN, self.stream.read_line(&mut line)).await;
        match read.expect("the server answers") {
            Ok(0) | Err(_) => Err(Cut(self.errors.pop().unwrap_or_default())),
            Ok(_) => Ok(line.trim_end().to_owned()),
        }
    }
}
