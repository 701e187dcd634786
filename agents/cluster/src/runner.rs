//! Feeds the machine and performs what it answers: one loop over the hub's line, requests that are
//! under way, watches and time.

use crate::member::Member;
use crate::uplink::{News, Up};
use crate::watch::watch;
use fleetlog_agent_core::{
    Action, Config, Event, Live, Machine, Observed, Pace, Resource, WatchKey,
};
use fleetlog_bus::{AgentLink, SignedDelivery};
use fleetlog_chassis::Clock;
use fleetlog_kernel::{ClusterName, ContentHash};
use fleetlog_messages::common::SyncRequest;
use fleetlog_messages::work::Delivery;
use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::{
    self, AbortHandle, Abortable, BoxStream, FuturesUnordered, SelectAll, StreamExt as _,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::mpsc;

/// Objects read at once.
const READS: usize = 8;
/// How long nothing has to happen at the latest.
const IDLE: Duration = Duration::from_secs(3_600);

/// The loop of one agent.
pub(crate) struct Runner {
    cluster: ClusterName,
    member: Member,
    clock: Clock,
    pace: Pace,
    news: mpsc::Receiver<News>,
    machine: Option<Machine>,
    hub_hash: String,
    link: Option<(AgentLink, String)>,
    live: BoxStream<'static, SignedDelivery>,
    under_way: FuturesUnordered<BoxFuture<'static, Event>>,
    watches: SelectAll<Abortable<BoxStream<'static, Event>>>,
    watched: BTreeMap<WatchKey, AbortHandle>,
}

impl Runner {
    pub(crate) fn new(
        cluster: ClusterName,
        member: Member,
        clock: Clock,
        pace: Pace,
        news: mpsc::Receiver<News>,
    ) -> Self {
        Self {
            cluster,
            member,
            clock,
            pace,
            news,
            machine: None,
            hub_hash: String::new(),
            link: None,
            live: stream::pending().boxed(),
            under_way: FuturesUnordered::new(),
            watches: SelectAll::new(),
            watched: BTreeMap::new(),
        }
    }

    /// Runs until the line's sender is dropped.
    pub(crate) async fn run(mut self) {
        loop {
            let wake = self.machine.as_ref().and_then(Machine::wake);
            let wake = wake.map_or(IDLE, |at| at.since(self.clock.now()));
            let event = tokio::select! {
                biased;
                news = self.news.recv() => match news {
                    Some(news) => self.heard(news),
                    None => return,
                },
                delivery = self.live.next() => match delivery {
                    Some(delivery) => {
                        self.verified(&delivery).map(|known| Event::Delivered(Box::new(known)))
                    }
                    None => { self.live = stream::pending().boxed(); None }
                },
                Some(event) = self.under_way.next(), if !self.under_way.is_empty() => Some(event),
                Some(event) = self.watches.next(), if !self.watches.is_empty() => Some(event),
                () = tokio::time::sleep(wake) => Some(Event::Tick),
            };
            if let Some(event) = event {
                self.tell(event);
            }
        }
    }

    fn tell(&mut self, event: Event) {
        let now = self.clock.now();
        let Some(machine) = &mut self.machine else { return };
        for action in machine.on(event, now) {
            self.perform(action);
        }
    }

    fn heard(&mut self, news: News) -> Option<Event> {
        match news {
            News::Up(Up { link, live, work_key, hub_hash }) => {
                if self.machine.is_none() || self.hub_hash != hub_hash {
                    self.begin(hub_hash);
                }
                self.link = Some((link, work_key));
                self.live = live;
                Some(Event::Connected)
            }
            News::Resumed => Some(Event::Connected),
            News::Down => {
                self.link = None;
                self.live = stream::pending().boxed();
                Some(Event::Disconnected)
            }
        }
    }

    /// A hub that is new to the agent: what other hubs wanted is no concern of this machine.
    fn begin(&mut self, hub_hash: String) {
        self.hub_hash.clone_from(&hub_hash);
        self.under_way = FuturesUnordered::new();
        self.watches = SelectAll::new();
        self.watched.clear();
        let config = Config {
            cluster: self.cluster.to_string(),
            agent_id: hub_hash.clone(),
            hub_hash,
            pace: self.pace.clone(),
        };
        self.machine = Some(Machine::new(config));
        self.under_way.push(prepared(self.member.clone(), self.pace.clone()).boxed());
    }

    fn verified(&self, delivery: &SignedDelivery) -> Option<Delivery> {
        let (_, work_key) = self.link.as_ref()?;
        let verdict = delivery.verified(work_key);
        verdict
            .inspect_err(|error| {
                tracing::warn!(cluster = %self.cluster, %error, "a delivery does not count");
            })
            .ok()
    }

    fn perform(&mut self, action: Action) {
        let member = self.member.clone();
        let link = self.link.clone();
        let call = match action {
            Action::Watch(wanted) => return self.watch(&wanted),
            Action::Sync(held) => synced(link, SyncRequest { held }).boxed(),
            Action::Fetch { work, hash } => fetched(link, work, hash).boxed(),
            Action::Report(about, payload) => async move {
                let sent = match &link {
                    Some((link, _)) => link.report(&about, payload.into()).await.is_ok(),
                    None => false,
                };
                Event::Reported { about, taken: sent }
            }
            .boxed(),
            Action::Discover(asked) => async move {
                let (known, kinds) = member.discover(&asked).await;
                Event::Discovered { asked, known, kinds }
            }
            .boxed(),
            Action::Observe { work, resources } => async move {
                let observed = observed(&member, resources).await;
                Event::Observed { work, observed }
            }
            .boxed(),
            Action::Execute { work, steps } => async move {
                let mut done = Vec::with_capacity(steps.len());
                for step in steps.iter() {
                    done.push(member.step(step).await);
                }
                Event::Executed { work, done }
            }
            .boxed(),
            Action::Describe => described(member, self.pace.clone()).boxed(),
        };
        self.under_way.push(call);
    }

    fn watch(&mut self, wanted: &BTreeSet<WatchKey>) {
        self.watched.retain(|key, handle| {
            let keeps = wanted.contains(key);
            if !keeps {
                handle.abort();
            }
            keeps
        });
        for key in wanted {
            if !self.watched.contains_key(key) {
                let events = watch(self.member.clone(), key.clone(), self.pace.clone());
                let (events, handle) = stream::abortable(events);
                self.watches.push(events);
                self.watched.insert(key.clone(), handle);
            }
        }
    }
}

/// Our kinds are known and the records read, however long that takes.
async fn prepared(member: Member, pace: Pace) -> Event {
    let mut failures = 0;
    loop {
        match member.prepare().await {
            Ok(records) => return Event::Records(records),
            Err(refused) => {
                failures += 1;
                let wait = pace.backoff(failures);
                tracing::debug!(
                    why = refused.message,
                    "the member is not ready; again in {wait:?}"
                );
                tokio::time::sleep(wait).await;
            }
        }
    }
}

async fn described(member: Member, pace: Pace) -> Event {
    let mut failures = 0;
    loop {
        match member.describe().await {
            Ok((version, id)) => return Event::Described { version, id },
            Err(refused) => {
                failures += 1;
                tracing::debug!(why = refused.message, "the member does not say what it is");
                tokio::time::sleep(pace.backoff(failures)).await;
            }
        }
    }
}

async fn synced(link: Option<(AgentLink, String)>, request: SyncRequest) -> Event {
    let failed = Event::Synced { deliveries: vec![], end: None };
    let Some((link, work_key)) = link else { return failed };
    let (answers, end) = match link.sync(&request).await {
        Ok(answer) => answer,
        Err(fault) => {
            tracing::debug!(%fault, "a sync had no whole answer");
            return failed;
        }
    };
    // What is not signed does not count, and then the count does not either.
    let deliveries: Vec<Delivery> =
        answers.iter().filter_map(|answer| answer.verified(&work_key).ok()).collect();
    if deliveries.len() != answers.len() {
        tracing::warn!("a sync answer has deliveries that do not count");
    }
    Event::Synced { deliveries, end: Some(end) }
}

async fn fetched(link: Option<(AgentLink, String)>, work: String, hash: String) -> Event {
    let bundle = match (link, ContentHash::parse(&hash)) {
        (Some((link, _)), Some(parsed)) => link.blob(&parsed).await.unwrap_or_else(|fault| {
            tracing::debug!(%fault, "the manifests of \"{work}\" were not fetched");
            None
        }),
        _ => None,
    };
    Event::Fetched { work, hash, bundle: bundle.map(Vec::from) }
}

async fn observed(member: &Member, resources: Vec<Resource>) -> Observed {
    let reads = resources.into_iter().map(|resource| async move {
        let live: Live = member.look(&resource).await;
        (resource.key, live)
    });
    stream::iter(reads).buffer_unordered(READS).collect().await
}
