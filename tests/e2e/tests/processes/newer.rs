//! A service as a process of its own that comes to a commit which it cannot read: it stays up, says
//! that it is not ready and why, and does nothing more.

use fleetlog_bus::{Append, ClientError, EventLog, NewCommit, SharedBroker};
use fleetlog_chassis::{Ids, Tasks};
use fleetlog_e2e_tests::{Fleetlog, Victim, order, programs, until_well};
use fleetlog_kernel::{Actor, CommandId, MessageId, Position, Service, Timestamp};
use fleetlog_messages::common::Query;
use fleetlog_messages::envelope::CommitHeader;
use fleetlog_messages::subject::{self, AggregateId};
use serde_json::json;
use std::net::{SocketAddr, TcpListener};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A commit of the registration service, as another release of it or nobody in their senses would
/// write it.
async fn append(broker: SharedBroker, schema: &str, event: &'static [u8]) -> Position {
    let tasks = Tasks::default();
    let (log, group_commit) = EventLog::new(broker);
    tasks.spawn("group-commit", async move {
        group_commit.run().await;
        Ok(())
    });
    let aggregate = AggregateId::namespaced(Service::Registration, "binding", "shop", "default");
    let header = CommitHeader {
        id: MessageId::new("strange"),
        types: vec!["BindingSpecified".to_owned()],
        schema: schema.to_owned(),
        version: 1,
        cause: Position::START,
        cause_index: 0,
        command: CommandId::new("strange"),
        correlation: "strange".to_owned(),
        actor: "admin".to_owned(),
        time: Timestamp::of_seconds(1_800_000_000),
        service: Service::Registration,
    };
    let (expected, events) = (Position::START, vec![event.into()]);
    let commit = NewCommit { aggregate, expected, header, events };
    match log.append(commit).await {
        Ok(Append::Appended(position)) => position,
        other => panic!("{other:?}"),
    }
}

/// What an address answers: the status line and all after it.
async fn get(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut peer = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: service\r\nConnection: close\r\n\r\n");
    peer.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    peer.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// An address of loopback that nobody listens on.
fn free() -> SocketAddr {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap()
}

/// Placement comes to such a commit: it is up and not ready, with these words, and acts no more.
async fn stops_at(schema: &str, event: &'static [u8], words: &[&str]) {
    let mut whole = Fleetlog::without_services(programs!()).await.unwrap();
    let address = free();
    whole.serve(Service::Placement, None, &["--listen", &address.to_string()]).unwrap();
    whole.answering().await.unwrap();
    let ready = get(address, "/readyz").await.unwrap();
    assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");

    let registration = whole.hub().service(Service::Registration).await.unwrap();
    let position = append(registration, schema, event).await;
    until_well("placement says that it is not ready", async || {
        let ready = get(address, "/readyz").await?;
        anyhow::ensure!(ready.starts_with("HTTP/1.1 503"), "{ready}");
        Ok(())
    })
    .await
    .unwrap();
    let ready = get(address, "/readyz").await.unwrap();
    for word in words.iter().chain([&&*format!("position {position} ")]) {
        assert!(ready.contains(word), "\"{word}\" is not in: {ready}");
    }
    assert!(get(address, "/healthz").await.unwrap().starts_with("HTTP/1.1 200"), "it is up");
    acts_no_more(&whole, position).await;
    let placement = Victim::Service(Service::Placement);
    let process = whole.process(&placement).unwrap();
    assert_eq!(process.ended(), None, "it waits to be ended:\n{}", process.said());
    assert!(process.said().contains(words[0]), "its log names it:\n{}", process.said());

    // Nor does a new start of the same release go past it.
    whole.kill(&placement).unwrap();
    whole.start_again(&placement).unwrap();
    until_well("the next life says the same", async || {
        let again = get(address, "/readyz").await?;
        anyhow::ensure!(again.contains(words[0]), "{again}");
        Ok(())
    })
    .await
    .unwrap();
    acts_no_more(&whole, position).await;
}

/// Whoever asks placement finds nobody, a command stays where it is, the log ends at `position`.
async fn acts_no_more(whole: &Fleetlog, position: Position) {
    until_well("nobody answers for placement", async || {
        match whole.client().ask(Service::Placement, "rows", Query::default()).await {
            Err(ClientError::NobodyThere(Service::Placement)) => Ok(()),
            other => anyhow::bail!("{other:?}"),
        }
    })
    .await
    .unwrap();
    let placement = json!({
        "apiVersion": "cluster.open-cluster-management.io/v1beta1", "kind": "Placement",
        "metadata": { "name": "all", "namespace": "shop" }, "spec": {},
    });
    let (placement, admin) = (order(&placement).unwrap(), Actor::new("admin"));
    let commands = fleetlog_bus::Commands::new(whole.hub().user("admin").await.unwrap());
    let id = Ids::Random.command();
    commands.send(&admin, &placement.to, &id, placement.command.into()).await.unwrap();
    let operator = whole.hub().operator().await.unwrap();
    let in_hand = operator.in_hand("CMD", "cmd-placement").await.unwrap();
    assert_eq!(in_hand, (0, 0), "nobody takes it");
    let last = operator.last("EVENTS", &subject::events()).await.unwrap().unwrap();
    assert_eq!(last.sequence, position.0, "nothing follows in the log");
    assert_eq!(operator.last("DLQ", &subject::dead_letters()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_process_that_meets_a_newer_version_stays_up_unready_and_names_it() {
    let schema = "fleetlog.registration.v9.BindingEvent";
    stops_at(schema, b"from a later release", &["CHS0031", schema, "a later release"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_process_that_meets_a_damaged_commit_stays_up_unready_and_names_it() {
    let schema = "fleetlog.registration.v2.BindingEvent";
    stops_at(schema, b"\xff\xff\xff no message", &["CHS0032", "binding"]).await;
}
