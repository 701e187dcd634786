//! The hub API: the Kubernetes face of a hub without Kubernetes. Writes become commands, reads are
//! answered from a view of the log, a watch is a cursor in it.

mod board;
pub mod certificates;
mod feed;
mod identity;
mod kubeconfig;
mod listen;
mod read;
mod requests;
mod respond;
mod source;
mod watch;
mod write;

pub use certificates::Certificates;
pub use identity::Identity;
pub use kubeconfig::kubeconfig;
pub use listen::{Listener, tls};
pub use respond::Body;

use board::Board;
use feed::Feed;
use fleetlog_bus::{Client, SharedBroker};
use fleetlog_chassis::{Clock, Ids, Tasks};
use fleetlog_kernel::Actor;
use source::Source;
use std::sync::Arc;

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
}

/// A running gateway. Clones are one.
#[derive(Clone)]
pub struct Gateway {
    board: Arc<Board>,
    source: Source,
    clock: Clock,
    ids: Arc<Ids>,
    tasks: Tasks,
}

impl Gateway {
    /// Starts to follow the log; requests are answered once all of it is taken in.
    #[must_use]
    pub fn start(ground: Ground) -> Self {
        let Ground { broker, clock, ids, tasks } = ground;
        let of_commands = ids.clone();
        let client = Client::new(broker, Actor::new(ACTOR), move || of_commands.command());
        let (board, source) = (Arc::new(Board::default()), Source { client });
        let feed = Feed { source: source.clone(), board: board.clone() };
        tasks.spawn("gateway-feed", feed.run(tasks.clone()));
        Self { board, source, clock, ids, tasks }
    }

    /// Waits until requests are answered.
    pub async fn ready(&self) {
        self.board.ready().await;
    }
}
