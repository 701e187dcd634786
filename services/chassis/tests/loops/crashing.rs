//! The adapter that stops the process at a step: which step a call to the broker is, and what
//! stopping there does.

use crate::crashes::CrashPoint;
use crate::stage::{Stage, held_back};
use async_trait::async_trait;
use bytes::Bytes;
use fleetlog_bus::{Broker as _, Delivery, Fault, SNAP_BUCKET, StoredMessage};
use fleetlog_chassis::Tasks;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Where the process stops, and whether it has.
#[derive(Default)]
pub struct Crash {
    armed: Mutex<Option<Armed>>,
    /// The tasks of the life that runs now.
    life: Mutex<Option<Tasks>>,
}

struct Armed {
    point: CrashPoint,
    /// It stops when it gets there so many times in one life.
    nth: usize,
    /// How often it got there in this one.
    met: usize,
    /// How many times more it stops.
    left: usize,
    crashed: bool,
}

impl Stage {
    /// From now on each life stops at `point`, the `nth` time it gets there; `times` in all.
    pub fn crash_at(&self, point: CrashPoint, nth: usize, times: usize) {
        let armed = Armed { point, nth, met: 0, left: times, crashed: false };
        *self.crash.armed.lock().unwrap() = Some(armed);
    }

    pub fn crash_no_more(&self) {
        *self.crash.armed.lock().unwrap() = None;
    }

    /// Whether the life that ran stopped.
    pub fn has_crashed(&self) -> bool {
        self.crash.armed.lock().unwrap().as_ref().is_some_and(|armed| armed.crashed)
    }

    /// The next life may begin.
    pub fn recovers(&self) {
        if let Some(armed) = &mut *self.crash.armed.lock().unwrap() {
            (armed.crashed, armed.met) = (false, 0);
        }
    }

    /// The tasks of a life that begins.
    pub fn lives(&self, tasks: &Tasks) {
        *self.crash.life.lock().unwrap() = Some(tasks.clone());
    }

    /// The process is at `point`. Where it stops there, this does not come back, and nothing that
    /// ran in it goes on.
    pub async fn is_at(&self, point: CrashPoint) {
        if self.stops_at(point) {
            if let Some(tasks) = self.crash.life.lock().unwrap().take() {
                tasks.abort();
            }
            std::future::pending::<()>().await;
        }
    }

    /// Whether it stops at `point`, this time.
    pub fn stops_at(&self, point: CrashPoint) -> bool {
        let mut armed = self.crash.armed.lock().unwrap();
        let Some(armed) = armed.as_mut().filter(|a| a.point == point && a.left > 0) else {
            return false;
        };
        armed.met += usize::from(!armed.crashed);
        let stops = !armed.crashed && armed.met == armed.nth;
        if stops {
            (armed.crashed, armed.left) = (true, armed.left - 1);
        }
        stops
    }

    /// The steps before and after a message is stored.
    pub fn steps_of(subject: &str) -> Option<(CrashPoint, CrashPoint)> {
        use CrashPoint::{
            AfterAppendBeforeAnswer, AfterDeadLetterBeforeAnswer, AfterOutcomeBeforeAnswer,
            AfterOutputBeforeAnswer, BeforeAppend, BeforeDeadLetter, BeforeOutcome, BeforeOutput,
        };
        let steps = [
            ("fl.ev.", BeforeAppend, AfterAppendBeforeAnswer),
            ("fl.res.", BeforeOutcome, AfterOutcomeBeforeAnswer),
            ("fl.dlq.", BeforeDeadLetter, AfterDeadLetterBeforeAnswer),
            ("fl.do.", BeforeOutput, AfterOutputBeforeAnswer),
        ];
        let step = steps.into_iter().find(|(prefix, ..)| subject.starts_with(prefix));
        step.map(|(_, before, after)| (before, after))
    }

    /// A commit comes to a reader of the log: to the one that folds, to a start, or to a rebuild.
    pub async fn reads(&self, from: u64, pending: u64, sequence: u64) {
        let half = from + pending / 2;
        if sequence > from + pending {
            // Its answer is there by then.
            held_back(Duration::from_millis(1)).await;
            self.is_at(CrashPoint::AfterAnswerBeforeProjection).await;
        } else if pending > 2 && sequence == half {
            let rebuilds = self.live.load(std::sync::atomic::Ordering::Relaxed) && from == 0;
            let point = if rebuilds { CrashPoint::InRebuild } else { CrashPoint::InColdStart };
            self.is_at(point).await;
        }
    }

    /// Keeps an object, or stops before, in the middle or after it.
    pub async fn put(&self, bucket: &str, name: &str, content: Bytes) -> Result<(), Fault> {
        let is_index = !name.contains('-');
        let before =
            if is_index { CrashPoint::BeforeSnapshotIndex } else { CrashPoint::BeforeSnapshot };
        self.is_at(before).await;
        if !is_index && self.stops_at(CrashPoint::InSnapshot) {
            let half = content.slice(..content.len() / 2);
            self.memory.put_object(bucket, name, half).await?;
            if let Some(tasks) = self.crash.life.lock().unwrap().take() {
                tasks.abort();
            }
            std::future::pending::<()>().await;
        }
        self.memory.put_object(bucket, name, content).await?;
        if !is_index {
            self.is_at(CrashPoint::AfterSnapshotBeforeAnswer).await;
        }
        Ok(())
    }

    /// Nothing of SNAP can be read any more.
    pub async fn drop_snapshots(&self) {
        for name in ["registration", "registration-a", "registration-b"] {
            self.memory.put_object(SNAP_BUCKET, name, Bytes::new()).await.unwrap();
        }
    }
}

/// A delivery whose acknowledgement is a step.
pub struct Acknowledged {
    pub delivery: Box<dyn Delivery>,
    pub stage: Arc<Stage>,
}

#[async_trait]
impl Delivery for Acknowledged {
    fn message(&self) -> &StoredMessage {
        self.delivery.message()
    }

    fn deliveries(&self) -> u64 {
        self.delivery.deliveries()
    }

    async fn ack(&self) -> Result<(), Fault> {
        self.stage.is_at(CrashPoint::BeforeAcknowledgement).await;
        self.delivery.ack().await?;
        self.stage.is_at(CrashPoint::AfterAcknowledgement).await;
        Ok(())
    }

    async fn again(&self, delay: Duration) -> Result<(), Fault> {
        self.delivery.again(delay).await
    }
}
