//! A large fleet without agents: its clusters written into the log, registration beside it as a
//! process of its own, what the server has of leases and of their ends, and beats for all.

use crate::ground::{Ground, commit_of};
use crate::reading::bus;
use anyhow::{Context as _, Result, ensure};
use async_nats::jetstream::{Context, consumer::push::OrderedConfig, stream::State};
use async_nats::{Client, ConnectOptions, Subscriber};
use bytes::Bytes;
use fleetlog_bus::jwt::sign_claims;
use fleetlog_bus::{Append, Credentials, NewCommit};
use fleetlog_chassis::Clock;
use fleetlog_kernel::{ClusterName, Service};
use fleetlog_messages::common::{Beat, BeatAnswer, ObjectMeta};
use fleetlog_messages::envelope::header;
use fleetlog_messages::registration::{
    ClusterAccepted, ClusterBecameAvailable, ClusterEvent, ClusterJoined, ClusterSpecified,
    ManagedCluster, ManagedClusterSpec, cluster_event::Event,
};
use fleetlog_messages::subject::{self, AggregateId, Subject};
use futures::{FutureExt as _, StreamExt as _, stream};
use nkeys::KeyPair;
use prost::Message as _;
use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use tokio::time::{Duration, Instant, sleep, timeout};

/// How many appends are under way at once.
const AT_ONCE: usize = 1_024;
/// How long what the server holds may take to come.
const WITHIN: Duration = Duration::from_secs(120);
/// How long lies between two looks at a stream.
const LOOK: Duration = Duration::from_millis(250);

/// A time of each cluster, in seconds by the server's clock.
pub type Times = BTreeMap<String, f64>;

fn name(number: usize) -> String {
    format!("cluster{number}")
}

/// Writes clusters that were accepted, joined, and are available, whose agents beat every so many
/// seconds.
///
/// # Errors
/// A server that does not take them.
pub async fn write(ground: &Ground, clusters: usize, seconds: u32) -> Result<()> {
    let log = bus(ground, &ground.tasks).await?.log;
    let written = (0..clusters).map(|number| {
        let (log, commit) = (log.clone(), commit(&name(number), seconds));
        async move {
            match log.append(commit).await? {
                Append::Appended(_) => Ok::<_, anyhow::Error>(()),
                other => anyhow::bail!("an append came to {other:?}"),
            }
        }
    });
    let mut written = stream::iter(written).buffer_unordered(AT_ONCE);
    while let Some(done) = written.next().await {
        done?;
    }
    Ok(())
}

fn commit(name: &str, seconds: u32) -> NewCommit {
    let spec = ManagedClusterSpec {
        hub_accepts_client: Some(true),
        lease_duration_seconds: i32::try_from(seconds).ok(),
        ..ManagedClusterSpec::default()
    };
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    let cluster =
        ManagedCluster { metadata: Some(metadata), spec: Some(spec), ..ManagedCluster::default() };
    let events = [
        ("ClusterSpecified", Event::Specified(ClusterSpecified { cluster: Some(cluster) })),
        ("ClusterAccepted", Event::Accepted(ClusterAccepted::default())),
        ("ClusterJoined", Event::Joined(ClusterJoined::default())),
        ("ClusterBecameAvailable", Event::BecameAvailable(ClusterBecameAvailable::default())),
    ];
    let aggregate = AggregateId::global(Service::Registration, "cluster", name);
    let schema = "fleetlog.registration.v1.ClusterEvent";
    let mut commit = commit_of(aggregate, name, 1, 0, ("", schema, vec![]));
    let encoded = events.into_iter().map(|(kind, event)| {
        let event = ClusterEvent { event: Some(event) };
        (kind.to_owned(), Bytes::from(event.encode_to_vec()))
    });
    (commit.header.types, commit.events) = encoded.unzip();
    commit
}

/// A process that ends with this value.
pub struct Running(Child);

impl Running {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The registration service as a process.
///
/// # Errors
/// A process that does not start.
pub fn service(ground: &Ground) -> Result<Running> {
    let identity = ground.hub.identity();
    let services = ground.hub.dir().join("creds").join("services");
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["registration", "--log", "warn", "--nats", ground.hub.url()]);
    command.arg("--creds").arg(services.join("registration.creds"));
    command.arg("--agent-role").arg(services.join("registration.agent-role.json"));
    command.args(["--hub-id", identity.hub_id().as_str()]);
    command.args(["--work-key", &identity.delivery_key()?.public_key()]);
    Ok(Running(command.stdin(Stdio::null()).spawn().context("start registration")?))
}

/// JetStream with the rights of the operator.
///
/// # Errors
/// A server that does not let it in.
pub async fn operator(ground: &Ground) -> Result<(Client, Context)> {
    let operator = ground.hub.identity().operator()?;
    let client = fleetlog_topology::apply::connect(ground.hub.url(), &operator).await?;
    Ok((client.clone(), async_nats::jetstream::new(client)))
}

/// What a stream holds.
///
/// # Errors
/// A server that does not answer.
pub async fn state((_, jetstream): &(Client, Context), stream: &str) -> Result<State> {
    Ok(jetstream.get_stream_no_info(stream).await?.get_info().await?.state)
}

/// Waits until a stream holds what is wanted, looking now and then.
///
/// # Errors
/// When it does not within that time.
pub async fn until(
    operator: &(Client, Context),
    stream: &str,
    within: Duration,
    wanted: impl Fn(&State) -> bool,
) -> Result<()> {
    let since = Instant::now();
    loop {
        let state = state(operator, stream).await?;
        if wanted(&state) {
            return Ok(());
        }
        ensure!(since.elapsed() < within, "{stream} holds {} messages", state.messages);
        sleep(LOOK).await;
    }
}

/// Of every cluster, `made` of the time at which its lease, or the marker of its end, was stored.
///
/// # Errors
/// A server that does not give them.
pub async fn leases(
    operator: &(Client, Context),
    clusters: usize,
    made: impl Fn(f64) -> f64,
) -> Result<Times> {
    let leases = ("LEASE", subject::leases(), 0);
    read(operator, leases, clusters, |message| {
        let cluster = subject::of_lease(&message.subject);
        cluster.map(|cluster| cluster.as_str().to_owned())
    })
    .await
    .map(|times| times.into_iter().map(|(cluster, time)| (cluster, made(time))).collect())
}

/// Of every cluster, when the first commit after a position that says that it is silent was
/// stored.
///
/// # Errors
/// A server that does not give them.
pub async fn expiries(operator: &(Client, Context), after: u64, clusters: usize) -> Result<Times> {
    let events = ("EVENTS", Subject::raw("fl.ev.registration.cluster.*"), after + 1);
    read(operator, events, clusters, |message| {
        let types = message.headers.as_ref()?.get(header::TYPES)?.as_str();
        let says = types.split(',').any(|kind| kind == "LeaseExpired");
        says.then(|| AggregateId::of_event(&message.subject).map(|of| of.name)).flatten()
    })
    .await
}

/// Reads until something came of so many clusters; the first of each.
async fn read(
    (client, jetstream): &(Client, Context),
    (stream, filter, from): (&str, Subject, u64),
    clusters: usize,
    about: impl Fn(&async_nats::Message) -> Option<String>,
) -> Result<Times> {
    use async_nats::jetstream::consumer::DeliverPolicy;
    let inbox = client.new_inbox();
    let config = OrderedConfig {
        name: Some(inbox.replace('.', "-")),
        deliver_subject: inbox,
        filter_subject: filter.as_str().to_owned(),
        deliver_policy: match from {
            0 => DeliverPolicy::All,
            start_sequence => DeliverPolicy::ByStartSequence { start_sequence },
        },
        ..OrderedConfig::default()
    };
    let stream = jetstream.get_stream_no_info(stream).await?;
    let mut messages = stream.create_consumer(config).await?.messages().await?;
    let mut times = Times::new();
    while times.len() < clusters {
        let message = timeout(WITHIN, messages.next()).await.context("not all of them come")?;
        let message = message.context("the consumer ended")??;
        let stored = message.info().map_err(|error| anyhow::anyhow!("{error}"))?.published;
        if let Some(cluster) = about(&message) {
            times.entry(cluster).or_insert(stored.unix_timestamp_nanos() as f64 / 1e9);
        }
    }
    Ok(times)
}

/// The agents of every cluster on one connection. Registration would never let such a user in: its
/// name is a star, and means every cluster.
pub struct Agents {
    client: Client,
    answers: Subscriber,
    sent: u64,
    answered: u64,
}

/// Where answers come; the role's template makes it of the user's name.
const INBOX: &str = "_INBOX_*.beats";

impl Agents {
    /// Connects.
    ///
    /// # Errors
    /// A server that does not let it in.
    pub async fn connect(ground: &Ground) -> Result<Self> {
        let (role, user) = (ground.hub.identity().agent_role()?, KeyPair::new_user());
        let claims = serde_json::json!({
            "iat": Clock::System.now().seconds(), "sub": user.public_key(), "name": "*",
            "nats": { "type": "user", "version": 2, "issuer_account": role.account },
        });
        let jwt = sign_claims(&role.key, claims)?;
        let credentials = Credentials { jwt, seed: user.seed()? }.to_file();
        let options = ConnectOptions::with_credentials(&credentials)?;
        let client = options.connect(ground.hub.url()).await?;
        let answers = client.subscribe(INBOX).await?;
        Ok(Self { client, answers, sent: 0, answered: 0 })
    }

    /// A cluster beats.
    ///
    /// # Errors
    /// A connection that is closed.
    pub async fn beat(&mut self, number: usize) -> Result<()> {
        let cluster = ClusterName::parse(&name(number))?;
        let asked = subject::ask(&cluster, "beat").as_str().to_owned();
        let beat = Beat::default().encode_to_vec().into();
        self.client.publish_with_reply(asked, INBOX, beat).await?;
        self.sent += 1;
        Ok(())
    }

    /// Takes the answers that came.
    ///
    /// # Errors
    /// A refusal.
    pub fn take_answers(&mut self) -> Result<()> {
        while let Some(Some(answer)) = self.answers.next().now_or_never() {
            let answer = BeatAnswer::decode(answer.payload)?;
            ensure!(answer.refused.is_none(), "a beat is refused: {:?}", answer.refused);
            self.answered += 1;
        }
        Ok(())
    }

    /// Whether answers are outstanding.
    #[must_use]
    pub const fn waits(&self) -> bool {
        self.answered < self.sent
    }
}
