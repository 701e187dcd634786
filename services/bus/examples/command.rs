//! Publishes a command and awaits its outcome: makes a cluster set, as a user of the hub.
//!
//! `cargo run -p fleetlog-bus --example command -- nats://127.0.0.1:PORT admin.creds blue`

use fleetlog_bus::{Client, Credentials, JetStream};
use fleetlog_kernel::{Actor, CommandId, Service};
use fleetlog_messages::common::{ObjectMeta, outcome};
use fleetlog_messages::registration::{
    ApplyClusterSet, ClusterSetCommand, ManagedClusterSet, cluster_set_command::Command,
};
use fleetlog_messages::subject::AggregateId;
use prost::Message as _;
use std::error::Error;
use std::io::Write;

/// Makes the set; says where its events lie, or why there are none.
pub async fn run(
    url: &str,
    credentials: Credentials,
    set: &str,
    out: &mut dyn Write,
) -> Result<(), Box<dyn Error>> {
    let user = credentials.name().ok_or("the credentials name nobody")?;
    let broker = JetStream::connect(url, credentials, &user).await?;
    // A command id must be random: sent again, it is not decided again. A new key's name is. A
    // UUID of version 7 is better: it tells its age, so a late repeat is known for what it is.
    let ids = || CommandId::new(nkeys::KeyPair::new_user().public_key());
    let client = Client::new(broker, Actor::new(user), ids);

    let metadata = ObjectMeta { name: Some(set.to_owned()), ..ObjectMeta::default() };
    let object = ManagedClusterSet { metadata: Some(metadata), ..ManagedClusterSet::default() };
    let apply = ApplyClusterSet { set: Some(object), ..ApplyClusterSet::default() };
    let command = ClusterSetCommand { command: Some(Command::Apply(apply)) };
    let to = AggregateId::global(Service::Registration, "clusterset", set);
    let outcome = client.command(&to, command.encode_to_vec().into()).await?;
    match outcome.result {
        Some(outcome::Result::Accomplished(done)) => {
            writeln!(out, "{to}: {} at position {}", done.types.join(", "), done.position)?;
        }
        Some(outcome::Result::Refused(refusal)) => {
            writeln!(out, "{to}: {} {}; {}", refusal.code, refusal.sentence, refusal.advice)?;
        }
        None => writeln!(out, "{to}: an outcome of a later release")?,
    }
    Ok(())
}

#[allow(dead_code, reason = "tests call `run`")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, file, set] = &arguments[..] else { return Err("give URL CREDS NAME".into()) };
    let credentials = Credentials::of_file(&std::fs::read_to_string(file)?);
    let credentials = credentials.ok_or("that is no credentials file")?;
    run(url, credentials, set, &mut std::io::stdout()).await
}
