//! The loop commands -> decisions: takes users' commands (CMD), services' (DO), agents' reports
//! (STATUS) and timers that are due (TIMER) from their queues, lets the machine decide, appends,
//! records the outcome and only then acknowledges. Commands of one aggregate are decided one after
//! the other, others at the same time.

use crate::bury::{UNREADABLE, bury};
use crate::context::{Bounds, Context};
use crate::handle::{AfterFault, Handled, handle};
use crate::intake::{Parcel, Source};
use crate::machine::Machine;
use crate::sweep;
use fleetlog_bus::{Delivery, Fault, Queue, SharedBroker};
use fleetlog_kernel::Service;
use fleetlog_messages::subject::{self, AggregateId};
use futures::future::BoxFuture;
use futures::stream::{BoxStream, FuturesUnordered, SelectAll};
use futures::{FutureExt as _, StreamExt as _, stream};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

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
    let mut desk = Desk::new(context.clone());
    let mut loss = Loss::new(context.ground.bus.broker.clone());
    desk.sweep().await?;
    let mut arrivals = arrivals(&context).await?;
    let stopped = context.ground.tasks.stopped();
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            biased;
            () = &mut stopped => break,
            // Before anything new is taken: what was on its way to us comes again late.
            () = loss.next() => {
                tracing::warn!("the connection was lost; what was in hand is done first");
                desk.sweep().await?;
            }
            Some(done) = desk.running.next() => desk.finish(done?),
            Some(arrival) = arrivals.next() => desk.take(arrival)?,
        }
    }
    desk.settle().await?;
    context.set_served();
    Ok(())
}

/// A bell that rings once for all losses of the connection since it last rang.
struct Loss {
    broker: SharedBroker,
    heard: BoxFuture<'static, ()>,
}

impl Loss {
    fn new(broker: SharedBroker) -> Self {
        let mut loss = Self { heard: Box::pin(futures::future::ready(())), broker };
        loss.listen();
        loss
    }

    /// Listens from now on, not from the first wait on.
    fn listen(&mut self) {
        let broker = self.broker.clone();
        self.heard = Box::pin(async move { broker.lost().await });
        if (&mut self.heard).now_or_never().is_some() {
            self.heard = Box::pin(futures::future::ready(()));
        }
    }

    async fn next(&mut self) {
        (&mut self.heard).await;
        self.listen();
    }
}

/// A delivery with its place among those that its queue may have in hand.
struct Arrival {
    source: Source,
    delivery: Result<Box<dyn Delivery>, Fault>,
    place: OwnedSemaphorePermit,
}

/// What waits behind the parcel of an aggregate that is running, and the bell that ends its wait.
#[derive(Default)]
struct Lane {
    behind: VecDeque<(Parcel, OwnedSemaphorePermit)>,
    hurry: Arc<Notify>,
}

/// What is being decided, and what waits behind it.
struct Desk<M: Machine> {
    context: Arc<Context<M>>,
    running: FuturesUnordered<BoxFuture<'static, Result<Option<AggregateId>, Fault>>>,
    /// The lane of each aggregate that has a parcel running.
    lanes: HashMap<AggregateId, Lane>,
    /// The sequences of DO that were given up on and will come once more.
    given_up: BTreeSet<u64>,
}

impl<M: Machine> Desk<M> {
    fn new(context: Arc<Context<M>>) -> Self {
        let (running, lanes) = (FuturesUnordered::new(), HashMap::new());
        Self { context, running, lanes, given_up: BTreeSet::new() }
    }

    /// Starts on a delivery, or puts it behind the others of its aggregate.
    ///
    /// # Errors
    /// A queue that cannot be read.
    fn take(&mut self, Arrival { source, delivery, place }: Arrival) -> Result<(), Fault> {
        let delivery = delivery?;
        let counts = &self.context.metrics.serve;
        counts.received();
        counts.lags(delivery.message().pending);
        if source == Source::Told && self.given_up.remove(&delivery.message().sequence) {
            self.running.push(Box::pin(async move {
                let _place = place;
                delivery.ack().await.map(|()| None)
            }));
            return Ok(());
        }
        match Parcel::read(source, delivery) {
            Ok(parcel) => self.line_up(parcel, place),
            Err((delivery, reason)) => {
                let context = self.context.clone();
                self.running.push(Box::pin(async move {
                    let _place = place;
                    bury(&context, source, &*delivery, UNREADABLE, reason).await?;
                    context.metrics.serve.failed();
                    Ok(None)
                }));
            }
        }
        Ok(())
    }

    /// Starts on a parcel, or puts it behind the others of its aggregate.
    fn line_up(&mut self, parcel: Parcel, place: OwnedSemaphorePermit) {
        let payload = &parcel.delivery.message().payload;
        let patience = self.context.shell.patience(&parcel.origin, &parcel.target, payload);
        if let Some(lane) = self.lanes.get_mut(&parcel.target) {
            if patience.is_zero() {
                lane.hurry.notify_one();
            }
            lane.behind.push_back((parcel, place));
            return;
        }
        let hurry = self.lanes.entry(parcel.target.clone()).or_default().hurry.clone();
        let context = self.context.clone();
        self.running.push(Box::pin(async move {
            if !patience.is_zero() {
                // Over when it is hurried, or when it has lasted.
                let _ = tokio::time::timeout(patience, hurry.notified()).await;
            }
            one(context, parcel, place).await
        }));
    }

    /// Goes on with what waited behind the one that is done; that is patience enough.
    fn finish(&mut self, done: Option<AggregateId>) {
        let Some(aggregate) = done else { return };
        match self.lanes.get_mut(&aggregate).and_then(|lane| lane.behind.pop_front()) {
            Some((next, place)) => {
                self.running.push(Box::pin(one(self.context.clone(), next, place)));
            }
            None => {
                self.lanes.remove(&aggregate);
            }
        }
    }

    /// Finishes everything in hand.
    async fn settle(&mut self) -> Result<(), Fault> {
        while let Some(done) = self.running.next().await {
            self.finish(done?);
        }
        Ok(())
    }

    /// Finishes everything in hand, then what the server believes is.
    async fn sweep(&mut self) -> Result<(), Fault> {
        self.settle().await?;
        self.given_up.append(&mut sweep::run(&self.context).await?);
        Ok(())
    }
}

async fn one<M: Machine>(
    context: Arc<Context<M>>,
    parcel: Parcel,
    _place: OwnedSemaphorePermit,
) -> Result<Option<AggregateId>, Fault> {
    let target = parcel.target.clone();
    let counts = &context.metrics.serve;
    let handled = handle(&context, parcel, AfterFault::Stop).await;
    match handled.inspect_err(|_| counts.failed())? {
        Handled::Done => counts.handled(),
        Handled::Refused(_) => counts.refused(),
        Handled::Failed => counts.failed(),
    }
    Ok(Some(target))
}

/// The queues of a service, in fair turns; each has its own window, so that a flood in one holds
/// up no other.
async fn arrivals<M: Machine>(
    context: &Context<M>,
) -> Result<SelectAll<BoxStream<'static, Arrival>>, Fault> {
    let mut sources = vec![(Source::Told, "DO", "do"), (Source::Command, "CMD", "cmd")];
    if subject::reports_for(M::SERVICE).is_some() {
        sources.push((Source::Report, "STATUS", "status"));
    }
    if subject::timers_for(M::SERVICE).is_some() {
        sources.push((Source::Due, "TIMER", "due"));
    }
    let mut all = SelectAll::new();
    for (source, stream, prefix) in sources {
        let (broker, durable) = (&context.ground.bus.broker, durable(prefix, M::SERVICE));
        let queue = context.patiently(|| broker.queue(stream, &durable)).await?;
        all.push(deliveries(source, queue, &context.ground.bounds));
    }
    Ok(all)
}

/// The deliveries of one queue; its faults are waited out, a bounded number of times in a row.
fn deliveries(
    source: Source,
    queue: Box<dyn Queue>,
    bounds: &Bounds,
) -> BoxStream<'static, Arrival> {
    let (tries, places) = (bounds.tries, Arc::new(Semaphore::new(bounds.window)));
    stream::unfold((queue, 0), move |(mut queue, mut failures)| {
        let places = places.clone();
        async move {
            let place = places.acquire_owned().await.ok()?;
            loop {
                let delivery = match queue.next().await {
                    Ok(delivery) => Ok(delivery),
                    Err(fault) if failures >= tries => Err(fault),
                    Err(fault) => {
                        tracing::warn!(%fault, "a queue cannot be read, trying again");
                        failures += 1;
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                };
                return Some((Arrival { source, delivery, place }, (queue, 0)));
            }
        }
    })
    .boxed()
}

/// The name of a service's durable queue: `cmd-work`, `do-work`, `status-work`.
pub(crate) fn durable(prefix: &str, service: Service) -> String {
    format!("{prefix}-{service}")
}
