//! Counting sets: at once after a quiet time, and at most once per set and period under churn.
//! What a count is lies in the domain; which sets need one is read from the fleet at the start.

use crate::config::Settings;
use crate::handlers::Running;
use crate::told;
use fleetlog_bus::Fault;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

/// The sets that wait to be counted.
#[derive(Default)]
pub(crate) struct Counts {
    waiting: Mutex<BTreeSet<String>>,
    bell: Notify,
}

impl Counts {
    /// Has a set counted.
    pub(crate) fn ask(&self, set: &str) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(set.to_owned());
        self.bell.notify_one();
    }

    /// Takes those that may be counted now, and says whether others wait.
    fn take(&self, resting: &BTreeMap<String, Instant>) -> (Vec<String>, bool) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let ready: Vec<String> =
            waiting.iter().filter(|set| !resting.contains_key(*set)).cloned().collect();
        ready.iter().for_each(|set| {
            waiting.remove(set);
        });
        (ready, !waiting.is_empty())
    }
}

/// Counts until the tasks are asked to stop.
pub(crate) async fn count(
    context: Running,
    settings: Arc<Settings>,
    counts: Arc<Counts>,
) -> Result<(), Fault> {
    context.live().await;
    let miscounted: Vec<String> = context
        .read(|hosted| hosted.machine().fleet().miscounted().map(ToOwned::to_owned).collect());
    miscounted.iter().for_each(|set| counts.ask(set));
    let mut resting: BTreeMap<String, Instant> = BTreeMap::new();
    loop {
        let now = Instant::now();
        resting.retain(|_, until| *until > now);
        let (ready, others) = counts.take(&resting);
        for set in ready {
            told::count(&context, &set).await?;
            resting.insert(set, Instant::now() + settings.count_every);
        }
        let next = resting.values().min().copied().filter(|_| others);
        let rested = async {
            match next {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = context.ground.tasks.stopped() => return Ok(()),
            () = counts.bell.notified() => {}
            () = rested => {}
        }
    }
}
