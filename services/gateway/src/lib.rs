//! The hub API: the Kubernetes face of a hub without Kubernetes. Writes become commands, reads are
//! answered from a view of the log, a watch is a cursor in it.

mod board;
pub mod certificates;
mod commands;
mod feed;
mod finalize;
mod first;
pub mod identity;
mod kubeconfig;
mod listen;
mod passing;
mod read;
mod remove;
mod requests;
mod respond;
mod reviews;
mod shared;
mod source;
mod subject;
mod tokens;
mod told;
mod turns;
mod watch;
mod watchers;
mod who;
mod write;

pub use certificates::Certificates;
pub use fleetlog_gateway_domain::Caller;
pub use kubeconfig::kubeconfig;
pub use listen::{Listener, tls};
pub use respond::Body;
pub use tokens::Tokens;
pub use who::Who;

use board::Board;
use feed::Feed;
use fleetlog_bus::{Client, Fault, Hearing, SharedBroker};
use fleetlog_chassis::{Clock, Ids, Tasks, Watched};
use fleetlog_gateway_domain::Passing;
use fleetlog_kernel::Actor;
use passing::Lane;
use source::Source;
use std::sync::Arc;
use tokio::sync::Semaphore;
use turns::Turns;
use watchers::Watchers;

/// The user of the gateway's own questions.
const ACTOR: &str = "gateway";

/// What a gateway stands on.
pub struct Ground {
    /// The connection of the role `gateway`.
    pub broker: SharedBroker,
    /// For ages, certificates and deadlines.
    pub clock: Clock,
    /// For the ids of commands and generated names.
    pub ids: Arc<Ids>,
    /// What it runs among.
    pub tasks: Tasks,
    /// What it is known by, and what signs tokens.
    pub certificates: Certificates,
    /// The URL that clients are told.
    pub url: String,
    /// What clients may take of it.
    pub limits: Limits,
}

/// What clients may take of a gateway. By default as much as suits most machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many requests that are no watches may be in hand at once.
    pub at_once: usize,
    /// How many watches one user may have; all together have four times as many.
    pub watches: usize,
}

impl Default for Limits {
    /// Ten thousand clusters of one user that has four watches each, and some.
    fn default() -> Self {
        Self { at_once: 2_048, watches: 50_000 }
    }
}

/// A running gateway. Clones are one.
#[derive(Clone)]
pub struct Gateway {
    board: Arc<Board>,
    /// What is kept beside the log.
    lanes: Arc<[Arc<Lane>; 2]>,
    broker: SharedBroker,
    source: Source,
    clock: Clock,
    ids: Arc<Ids>,
    tasks: Tasks,
    tokens: Arc<Tokens>,
    /// What every hub has from the start is there.
    founded: Arc<Watched<bool>>,
    places: Arc<Semaphore>,
    turns: Arc<Turns>,
    watchers: Watchers,
}

impl Gateway {
    /// Starts to follow the log; requests are answered once all of it is taken in.
    ///
    /// # Errors
    /// A key that cannot be used.
    pub fn start(ground: Ground) -> anyhow::Result<Self> {
        let Ground { broker, clock, ids, tasks, certificates, url, limits } = ground;
        let places = Arc::new(Semaphore::new(limits.at_once));
        let of_commands = ids.clone();
        let lanes = [Passing::Lease, Passing::Event];
        let lanes = Arc::new(lanes.map(|passing| Arc::new(Lane::new(passing, broker.clone()))));
        for lane in lanes.iter() {
            tasks.spawn("gateway-lane", lane.clone().run(tasks.clone()));
        }
        let hearing = Hearing::default();
        tasks.spawn("gateway-outcomes", hear(hearing.clone(), broker.clone(), tasks.clone()));
        let client = Client::new(broker.clone(), Actor::new(ACTOR), move || of_commands.command());
        let client = client.hearing_by(hearing);
        let (board, source) = (Arc::new(Board::default()), Source::new(client));
        let feed = Feed { source: source.clone(), board: board.clone() };
        tasks.spawn("gateway-feed", feed.run(tasks.clone()));
        let (tokens, founded) = (Arc::new(certificates.tokens()?), Arc::default());
        let gateway = Self {
            board,
            lanes,
            broker,
            source,
            clock,
            ids,
            tasks,
            tokens,
            founded,
            places,
            turns: Arc::default(),
            watchers: Watchers::new(limits.watches),
        };
        let first = first::objects(&url, &certificates.certificate);
        gateway.tasks.spawn("gateway-first-objects", gateway.clone().start_with(first));
        gateway.tasks.spawn("gateway-namespaces", gateway.clone().follow_namespaces());
        Ok(gateway)
    }

    /// Waits until requests are answered.
    pub async fn ready(&self) {
        self.board.ready().await;
        for lane in self.lanes.iter() {
            lane.board.ready().await;
        }
        self.founded.until(|founded| founded.then_some(())).await;
    }

    /// Whether everything is read in.
    fn is_ready(&self) -> bool {
        self.board.is_ready() && self.lanes.iter().all(|lane| lane.board.is_ready())
    }
}

/// Hears outcomes until the tasks are asked to stop; what is in hand then still hears them for
/// itself.
async fn hear(hearing: Hearing, broker: SharedBroker, tasks: Tasks) -> Result<(), Fault> {
    let ended = tokio::select! {
        biased;
        () = tasks.stopped() => Ok(()),
        fault = hearing.run(broker) => Err(fault),
    };
    hearing.end();
    ended
}
