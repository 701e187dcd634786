//! The loop commands -> decisions: takes users' commands (CMD), services' (DO) and agents'
//! reports (STATUS) from their queues, lets the machine decide, appends, records the outcome and
//! only then acknowledges. Commands of one aggregate are decided one after the other, others at
//! the same time.

use crate::bury::{UNREADABLE, bury};
use crate::context::Context;
use crate::handle::{Handled, handle};
use crate::intake::{Parcel, Source};
use crate::machine::Machine;
use crate::sweep;
use fleetlog_bus::{Delivery, Fault, Queue};
use fleetlog_kernel::Service;
use fleetlog_messages::subject::{self, AggregateId};
use futures::future::BoxFuture;
use futures::stream::{BoxStream, FuturesUnordered, SelectAll};
use futures::{StreamExt as _, stream};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// How long to wait before a queue that cannot be read is tried again.
const PAUSE: Duration = Duration::from_millis(100);

/// Runs until the tasks are asked to stop and everything in hand is done.
pub(crate) async fn run<M: Machine>(context: Arc<Context<M>>) -> Result<(), Fault> {
    tokio::select! {
        biased;
        () = context.ground.tasks.stopped() => {
            context.set_served();
            return Ok(());
        }
        () = context.live() => {}
    }
    sweep::run(&context).await?;
    let mut arrivals = arrivals(&context).await?;
    let mut desk = Desk::new(context.clone());
    let stopped = context.ground.tasks.stopped();
    tokio::pin!(stopped);
    loop {
        let room = desk.in_hand() < context.ground.bounds.window;
        tokio::select! {
            biased;
            () = &mut stopped => break,
            Some(done) = desk.running.next() => desk.finish(done?),
            Some((source, arrived)) = arrivals.next(), if room => desk.take(source, arrived?),
        }
    }
    while let Some(done) = desk.running.next().await {
        desk.finish(done?);
    }
    context.set_served();
    Ok(())
}

/// What is being decided, and what waits behind it.
struct Desk<M: Machine> {
    context: Arc<Context<M>>,
    running: FuturesUnordered<BoxFuture<'static, Result<Option<AggregateId>, Fault>>>,
    /// The parcels of each aggregate that has one running.
    behind: HashMap<AggregateId, VecDeque<Parcel>>,
    waiting: usize,
}

impl<M: Machine> Desk<M> {
    fn new(context: Arc<Context<M>>) -> Self {
        let (running, behind) = (FuturesUnordered::new(), HashMap::new());
        Self { context, running, behind, waiting: 0 }
    }

    fn in_hand(&self) -> usize {
        self.running.len() + self.waiting
    }

    /// Starts on a delivery, or puts it behind the others of its aggregate.
    fn take(&mut self, source: Source, delivery: Box<dyn Delivery>) {
        let counts = &self.context.metrics.serve;
        counts.received();
        counts.lags(delivery.message().pending);
        let context = self.context.clone();
        match Parcel::read(source, delivery) {
            Ok(parcel) => match self.behind.get_mut(&parcel.target) {
                Some(queue) => {
                    self.waiting += 1;
                    queue.push_back(parcel);
                }
                None => {
                    self.behind.insert(parcel.target.clone(), VecDeque::new());
                    self.running.push(Box::pin(one(context, parcel)));
                }
            },
            Err((delivery, reason)) => self.running.push(Box::pin(async move {
                bury(&context, source, &*delivery, UNREADABLE, reason).await?;
                context.metrics.serve.failed();
                Ok(None)
            })),
        }
    }

    /// Goes on with what waited behind the one that is done.
    fn finish(&mut self, done: Option<AggregateId>) {
        let Some(aggregate) = done else { return };
        match self.behind.get_mut(&aggregate).and_then(VecDeque::pop_front) {
            Some(next) => {
                self.waiting -= 1;
                self.running.push(Box::pin(one(self.context.clone(), next)));
            }
            None => {
                self.behind.remove(&aggregate);
            }
        }
    }
}

async fn one<M: Machine>(
    context: Arc<Context<M>>,
    parcel: Parcel,
) -> Result<Option<AggregateId>, Fault> {
    let target = parcel.target.clone();
    let counts = &context.metrics.serve;
    match handle(&context, parcel).await.inspect_err(|_| counts.failed())? {
        Handled::Done => counts.handled(),
        Handled::Refused => counts.refused(),
        Handled::Failed => counts.failed(),
    }
    Ok(Some(target))
}

type Arrival = (Source, Result<Box<dyn Delivery>, Fault>);

/// The queues of a service, in fair turns.
async fn arrivals<M: Machine>(
    context: &Context<M>,
) -> Result<SelectAll<BoxStream<'static, Arrival>>, Fault> {
    let mut sources = vec![(Source::Told, "DO", "do"), (Source::Command, "CMD", "cmd")];
    if subject::reports_for(M::SERVICE).is_some() {
        sources.push((Source::Report, "STATUS", "status"));
    }
    let mut all = SelectAll::new();
    for (source, stream, prefix) in sources {
        let (broker, durable) = (&context.ground.bus.broker, durable(prefix, M::SERVICE));
        let queue = context.patiently(|| broker.queue(stream, &durable)).await?;
        all.push(deliveries(source, queue, context.ground.bounds.tries));
    }
    Ok(all)
}

/// The deliveries of one queue; its faults are waited out, a bounded number of times in a row.
fn deliveries(source: Source, queue: Box<dyn Queue>, tries: u32) -> BoxStream<'static, Arrival> {
    stream::unfold((queue, 0), move |(mut queue, mut failures)| async move {
        loop {
            match queue.next().await {
                Ok(delivery) => return Some(((source, Ok(delivery)), (queue, 0))),
                Err(fault) if failures >= tries => {
                    return Some(((source, Err(fault)), (queue, failures)));
                }
                Err(fault) => {
                    tracing::warn!(%fault, "a queue cannot be read, trying again");
                    failures += 1;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    })
    .boxed()
}

/// The name of a service's durable queue: `cmd-work`, `do-work`, `status-work`.
pub(crate) fn durable(prefix: &str, service: Service) -> String {
    format!("{prefix}-{service}")
}
