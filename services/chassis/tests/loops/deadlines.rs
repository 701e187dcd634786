//! Deadlines that are derived from events: set, moved and given up with them, kept over restarts,
//! acted on once, and not at all when their reason is gone.

use bytes::Bytes;
use fleetlog_bus::{Client, Memory, SharedBroker};
use fleetlog_chassis::{
    Alarms, Bus, Clock, Context, Decided, Denied, Effect, Ground, Ids, Machine, Moved, Origin,
    Request, Shell, Tasks, Timed, Unprepared, Unreadable, Wake,
};
use fleetlog_kernel::{Actor, Position, Service, Timestamp};
use fleetlog_messages::common::{Outcome, Query, Refusal, Row, outcome};
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::subject::AggregateId;
use fleetlog_test_support::crash::{Crashing, Fuse};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub const START: Timestamp = Timestamp::of_seconds(1_800_000_000);
const SCHEMA: &str = "fleetlog.test.v1.ReminderEvent";

pub fn reminder(name: &str) -> AggregateId {
    AggregateId::global(Service::Placement, "reminder", name)
}

/// Reminders: `in N` rings N seconds after the start of the test, `off` gives it up. `ring` is what
/// the timer says.
#[derive(Default)]
pub struct Reminders {
    due: BTreeMap<String, u64>,
    rang: BTreeMap<String, u32>,
}

impl Reminders {
    fn timer(&self, name: &str) -> Option<Wake> {
        let at = START.plus(Duration::from_secs(*self.due.get(name)?));
        let payload = Bytes::from("ring");
        Some(Wake { whom: reminder(name), at, payload })
    }
}

impl Timed for Reminders {
    fn wake(&self, whom: &AggregateId, now: Timestamp) -> Option<Wake> {
        self.timer(&whom.name).filter(|wake| wake.at > now)
    }

    fn wakes(&self, now: Timestamp) -> Vec<Wake> {
        self.due.keys().filter_map(|name| self.wake(&reminder(name), now)).collect()
    }
}

impl Machine for Reminders {
    type Effect = Moved;

    const SERVICE: Service = Service::Placement;

    fn apply(&mut self, commit: &Recorded) -> Result<(), Unreadable> {
        let name = commit.aggregate.name.clone();
        for event in &commit.events {
            match std::str::from_utf8(event).ok().and_then(|text| text.strip_prefix("in ")) {
                Some(seconds) => drop(self.due.insert(name.clone(), seconds.parse().unwrap())),
                None => drop(self.due.remove(&name)),
            }
            if event == "ring" {
                *self.rang.entry(name.clone()).or_default() += 1;
            }
        }
        Ok(())
    }

    fn react(&self, commit: &Recorded) -> Vec<Effect<Moved>> {
        let whom = commit.aggregate.clone();
        vec![Effect::Own(Moved { whom, since: commit.header.time })]
    }

    fn decide(&self, request: &Request) -> Result<Vec<Decided>, Denied> {
        let due = self.timer(&request.target.name);
        let rings = due.is_some_and(|due| due.at <= request.at);
        if matches!(request.origin, Origin::Timer { .. }) && !rings {
            return Ok(vec![]);
        }
        let events = vec![("Reminder", request.payload.clone())];
        Ok(vec![Decided { aggregate: request.target.clone(), schema: SCHEMA, events }])
    }

    fn answer(&self, _: &Query) -> Result<Vec<Bytes>, Refusal> {
        Ok(vec![])
    }

    fn rows(&self) -> Vec<Row> {
        vec![]
    }

    fn restore(_: &[Row]) -> Result<Self, String> {
        Err("none is kept".to_owned())
    }
}

struct Around(Arc<Alarms<Reminders>>);

#[async_trait::async_trait]
impl Shell<Reminders> for Around {
    async fn prepare(&self, request: &mut Request) -> Result<(), Unprepared> {
        Ok(self.0.spent(request).await?)
    }

    async fn perform(&self, moved: Vec<Moved>) -> Result<(), fleetlog_bus::Fault> {
        self.0.set(moved).await
    }
}

pub struct Stage {
    pub broker: SharedBroker,
    clock: Clock,
    ids: Arc<Ids>,
    running: Option<Arc<Context<Reminders>>>,
    /// Where the lives of the service end.
    pub fuse: Arc<Fuse>,
}

impl Stage {
    pub async fn new() -> Self {
        let (streams, queues) = (fleetlog_topology::streams(), fleetlog_topology::queues());
        let broker: SharedBroker = Memory::starting_at(streams, queues, START);
        let (clock, ids) = (Clock::tokio(START), Arc::new(Ids::seeded(7)));
        let mut stage = Self { broker, clock, ids, running: None, fuse: Arc::default() };
        stage.start().await;
        stage
    }

    pub async fn start(&mut self) {
        let tasks = Tasks::default();
        let life = tasks.clone();
        self.fuse.lives(move || life.abort());
        let bus = Bus::new(Crashing::over(self.broker.clone(), self.fuse.clone()), &tasks);
        let (ids, clock) = (Arc::new(Ids::seeded(1)), self.clock.clone());
        let alarms = Arc::new(Alarms::new(bus.timers.clone()));
        let ground = Ground { bus, clock, ids, tasks, bounds: crate::stage::bounds() };
        let around = Arc::new(Around(alarms.clone()));
        let context = fleetlog_chassis::start::<Reminders>(ground, around).await.unwrap();
        alarms.attend(&context);
        context.live().await;
        self.running = Some(context);
    }

    pub async fn kill(&mut self) {
        let context = self.running.take().unwrap();
        context.ground.tasks.abort();
        let _ = context.ground.tasks.join().await;
    }

    async fn says(&self, name: &str, text: &'static str) {
        let ids = self.ids.clone();
        let alice = Client::new(self.broker.clone(), Actor::new("alice"), move || ids.command());
        let outcome = alice.command(&reminder(name), text.into()).await.unwrap();
        let Outcome { result: Some(outcome::Result::Accomplished(_)), .. } = outcome else {
            panic!("{outcome:?}")
        };
    }

    /// How often it rang by the second `until` of the test.
    pub async fn rang(&self, name: &str, until: u64) -> u32 {
        let until = START.plus(Duration::from_secs(until)).plus(Duration::from_millis(500));
        tokio::time::sleep(until.since(self.clock.now())).await;
        let running = self.running.as_ref().unwrap();
        running.read(|h| h.machine().rang.get(name).copied().unwrap_or_default())
    }

    fn commits(&self) -> Position {
        self.running.as_ref().unwrap().read(|hosted| hosted.position())
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_acted_on_once_and_not_before() {
    let stage = Stage::new().await;
    stage.says("a", "in 60").await;
    stage.says("b", "in 90").await;
    assert_eq!((stage.rang("a", 59).await, stage.rang("b", 59).await), (0, 0));
    assert_eq!((stage.rang("a", 61).await, stage.rang("b", 61).await), (1, 0));
    assert_eq!((stage.rang("a", 3_600).await, stage.rang("b", 3_600).await), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_is_moved_counts_at_its_new_moment_alone() {
    let stage = Stage::new().await;
    stage.says("later", "in 60").await;
    stage.says("later", "in 120").await;
    stage.says("sooner", "in 600").await;
    stage.says("sooner", "in 60").await;
    assert_eq!((stage.rang("later", 61).await, stage.rang("sooner", 61).await), (0, 1));
    assert_eq!(stage.rang("later", 121).await, 1);
    assert_eq!((stage.rang("later", 900).await, stage.rang("sooner", 900).await), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_whose_reason_is_gone_leads_to_nothing() {
    let stage = Stage::new().await;
    stage.says("a", "in 60").await;
    stage.says("a", "off").await;
    let before = stage.commits();
    assert_eq!(stage.rang("a", 120).await, 0);
    assert_eq!(stage.commits(), before, "a timer without a reason is no commit");
    let due = stage.broker.last("TIMER", &reminder("a").timer_due()).await.unwrap();
    assert!(due.is_some(), "it fired all the same");
}

#[tokio::test(start_paused = true)]
async fn deadlines_outlive_the_service_and_the_loss_of_their_timers() {
    let mut stage = Stage::new().await;
    stage.says("while-away", "in 60").await;
    stage.says("afterwards", "in 300").await;
    stage.kill().await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    stage.start().await;
    assert_eq!((stage.rang("while-away", 130).await, stage.rang("afterwards", 130).await), (1, 0));
    assert_eq!((stage.rang("while-away", 310).await, stage.rang("afterwards", 310).await), (1, 1));

    stage.says("long-past", "in 400").await;
    stage.kill().await;
    // The server lets go of a timer that was due and heard by nobody.
    let days = 3 * 86_400;
    tokio::time::sleep(Duration::from_secs(days)).await;
    stage.start().await;
    assert_eq!(stage.rang("long-past", days + 320).await, 1);

    stage.says("unset", "in 600000").await;
    stage.kill().await;
    // As if the service had died before it set the timer: it is far away.
    let timers = fleetlog_bus::Timers::new(stage.broker.clone());
    let far = START.plus(Duration::from_secs(1_000_000));
    timers.set(&reminder("unset"), far, Position(1), Bytes::new()).await.unwrap();
    stage.start().await;
    assert_eq!(stage.rang("unset", 600_010).await, 1);
}
