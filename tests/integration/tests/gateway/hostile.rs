//! Clients that mean no good: a clean end within a bound, and the hub API goes on.

use crate::socket::Socket;
use crate::stage::{CLUSTERS, PLACEMENTS, Stage, WATCHES, Watching, read};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};

/// How long clients may take here.
const SHORT: Duration = Duration::from_millis(300);

/// What a connection answers until the other side ends it.
async fn rest(mut connection: impl tokio::io::AsyncRead + Unpin) -> String {
    let mut answer = vec![];
    let end = connection.read_to_end(&mut answer);
    // A connection that is reset has ended too.
    let ended = timeout(Duration::from_secs(20), end).await;
    assert!(ended.is_ok(), "the other side ends it");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn lives(socket: &Socket) {
    let mut connection = socket.connected(&[]).await.unwrap();
    let ask = "GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    connection.write_all(ask.as_bytes()).await.unwrap();
    assert!(rest(connection).await.contains("200 OK"), "it lives");
}

#[tokio::test]
async fn who_never_says_a_word_is_cut_off() {
    let socket = Socket::open_within(SHORT).await;
    let plain = TcpStream::connect(socket.address).await.unwrap();
    assert_eq!(rest(plain).await, "");
    for protocol in ["http/1.1", "h2"] {
        let silent = socket.connected(&[protocol]).await.unwrap();
        rest(silent).await;
        // As much of the preface of HTTP/2 as leaves it open which protocol it is.
        let mut begun = socket.connected(&[protocol]).await.unwrap();
        begun.write_all(b"PRI * HT").await.unwrap();
        rest(begun).await;
    }
    lives(&socket).await;
}

#[tokio::test]
async fn a_head_or_a_body_that_never_ends_is_given_up_on() {
    let socket = Socket::open_within(SHORT).await;
    let mut head = socket.connected(&[]).await.unwrap();
    head.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nx: ").await.unwrap();
    rest(head).await;
    let mut body = socket.connected(&[]).await.unwrap();
    let begin = format!(
        "POST {PLACEMENTS} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
        content-type: application/json\r\ncontent-length: 1000\r\n\r\n{{"
    );
    body.write_all(begin.as_bytes()).await.unwrap();
    let answer = rest(body).await;
    assert!(answer.contains("408"), "{answer}");
    lives(&socket).await;
}

#[tokio::test]
async fn ten_thousand_headers_are_refused() {
    let socket = Socket::open().await;
    let mut connection = socket.connected(&["http/1.1"]).await.unwrap();
    let mut head = "GET /readyz HTTP/1.1\r\nhost: localhost\r\n".to_owned();
    for number in 0..10_000 {
        head.push_str(&format!("x-{number}: y\r\n"));
    }
    head.push_str("\r\n");
    // It may be ended before all of it is sent.
    let _ = connection.write_all(head.as_bytes()).await;
    let answer = rest(connection).await;
    assert!(answer.is_empty() || answer.contains(" 431 "), "{answer}");
    lives(&socket).await;
}

#[tokio::test]
async fn one_user_holds_so_many_watches_and_leaves_room_for_others() {
    let stage = Stage::new().await;
    let path = format!("{CLUSTERS}?watch=true");
    let mut held = vec![];
    for _ in 0..WATCHES {
        held.push(Watching::of(stage.send("GET", &path, &[], Value::Null).await));
    }
    let refused = stage.get(&path).await;
    assert_eq!(refused.refused(), (429, "TooManyRequests"));
    assert_eq!(refused.headers["retry-after"], "1");
    let impersonate = [("impersonate-user", "bob"), ("impersonate-group", "system:masters")];
    let other = stage.send("GET", &path, &impersonate, Value::Null).await;
    assert_eq!(other.status(), 200);
    held.pop();
    held.push(Watching::of(stage.send("GET", &path, &[], Value::Null).await));
}

#[tokio::test]
async fn bodies_that_are_deep_or_no_text_are_refused_and_owners_in_a_circle_are_kept() {
    let stage = Stage::new().await;
    let maps = "/api/v1/namespaces/t/configmaps";
    let mut deep = Value::Null;
    for _ in 0..1_000 {
        deep = json!([deep]);
    }
    let body = format!("{{\"metadata\":{{\"name\":\"m\"}},\"x\":{deep}}}");
    let headers = [("content-type", "application/json")];
    let mut request = crate::stage::request("POST", maps, &headers, Value::Null);
    *request.body_mut() = body.into();
    let alice = fleetlog_gateway::Caller::known("alice", &["system:masters"]);
    let answered = read(stage.gateway.answer(&alice, &request).await).await;
    assert_eq!(answered.refused(), (400, "BadRequest"));
    *request.body_mut() = b"{\"metadata\": {\"name\": \"\xff\"}}".to_vec().into();
    let answered = read(stage.gateway.answer(&alice, &request).await).await;
    assert_eq!(answered.refused(), (400, "BadRequest"));
    let owned = |name: &str, by: &str, uid: &Value| {
        json!({"metadata": {"name": name, "ownerReferences": [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": by, "uid": uid}]}})
    };
    let first = stage.post(maps, json!({"metadata": {"name": "a"}})).await.ok();
    let second = stage.post(maps, owned("b", "a", &first["metadata"]["uid"])).await.ok();
    let circle = owned("a", "b", &second["metadata"]["uid"]);
    stage.patch(&format!("{maps}/a"), circle).await.ok();
    stage.delete(&format!("{maps}/a"), Value::Null).await.ok();
    assert_eq!(stage.get(&format!("{maps}/a")).await.code, 404);
}
