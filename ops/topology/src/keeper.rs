//! Keeps the server of a hub running: one that ended by itself is started again, a bounded number
//! of times, and one that nears the end of its disk takes nothing new until there is space. Who
//! uses the server reconnects on its own.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::hub::RunningHub;
use crate::refusal::HubRefusal;
use crate::space::{Room, RoomChange};

/// Between two looks at what the server has stored, which walks its files, lie so many looks at the
/// disk.
const LOOKS: u32 = 10;

/// How often a server may end before its hub gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restarts {
    /// So many ends within [`Self::within`] are made good; one more is not.
    pub most: usize,
    /// How long an end counts.
    pub within: Duration,
    /// How long to wait after a start that failed.
    pub pause: Duration,
}

impl Default for Restarts {
    fn default() -> Self {
        Self { most: 5, within: Duration::from_secs(60), pause: Duration::from_secs(1) }
    }
}

/// The ends that still count.
#[derive(Debug, Default)]
struct Ends(VecDeque<Instant>);

impl Ends {
    /// Notes an end; answers how many count now.
    fn note(&mut self, now: Instant, within: Duration) -> usize {
        self.0.push_back(now);
        while self.0.front().is_some_and(|end| now.duration_since(*end) >= within) {
            self.0.pop_front();
        }
        self.0.len()
    }
}

impl RunningHub {
    /// Starts the server again whenever it has ended, until it ends too often, and sees that it
    /// leaves the reserve of the disk free; `tell` hears how much room there is when that changes.
    /// Cancel-safe: the server ends with the hub all the same.
    pub async fn keep_running(&self, restarts: Restarts, tell: impl Fn(&RoomChange)) -> HubRefusal {
        let mut ends = Ends::default();
        loop {
            tokio::select! {
                biased;
                () = self.ended() => {
                    if let Err(given_up) = self.revive(restarts, &mut ends).await {
                        return given_up;
                    }
                }
                (before, change) = self.room_changed() => {
                    // What is said is so: it takes nothing new from now on, or something again.
                    let opens = before == Room::Full;
                    if !opens {
                        tell(&change);
                    }
                    self.heed(before, &change).await;
                    if opens {
                        tell(&change);
                    }
                }
                () = self.limit_outgrown() => {
                    tracing::info!("the disk has more space than nats-server was given");
                    self.give_more().await;
                }
            }
        }
    }

    async fn revive(&self, restarts: Restarts, ends: &mut Ends) -> Result<(), HubRefusal> {
        let mut why = "it was killed or gave up".to_owned();
        loop {
            let times = ends.note(Instant::now(), restarts.within);
            if times > restarts.most {
                let (within, log) = (restarts.within, self.server_log());
                return Err(HubRefusal::EndsAgain { times, within, why, log });
            }
            tracing::warn!(times, "nats-server ended; starting it again");
            match self.start_again().await {
                Ok(()) => return Ok(()),
                Err(refusal) => {
                    tracing::warn!(%refusal, "nats-server did not start again");
                    why = refusal.to_string();
                    tokio::time::sleep(restarts.pause).await;
                }
            }
        }
    }

    /// Resolves when there is clearly more or less room than before.
    async fn room_changed(&self) -> (Room, RoomChange) {
        loop {
            tokio::time::sleep(self.looks_every()).await;
            if let Some(changed) = self.look_at_room() {
                return changed;
            }
        }
    }

    /// Resolves when the server should be given more of the disk.
    async fn limit_outgrown(&self) {
        loop {
            tokio::time::sleep(self.looks_every() * LOOKS).await;
            if self.outgrew_its_limit() {
                return;
            }
        }
    }

    async fn give_more(&self) {
        if let Err(refusal) = self.set_limit().await {
            tracing::error!(%refusal, "what nats-server may store could not be changed");
        }
    }

    /// The server closes with the last room and opens with the first. It is started again for it: a
    /// limit cannot be lowered while it runs, and a stream that met the end of the disk is dead
    /// until then.
    async fn heed(&self, before: Room, change: &RoomChange) {
        match change.room {
            Room::Ample => tracing::info!("{change}"),
            Room::Low => tracing::warn!("{change}"),
            Room::Full => tracing::error!("{change}"),
        }
        let done = if before == Room::Full || change.room == Room::Full {
            self.set_limit().await
        } else {
            self.announce()
        };
        if let Err(refusal) = done {
            tracing::error!(%refusal, "what nats-server may store could not be changed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_the_ends_of_the_last_while_count() {
        let (mut ends, within) = (Ends::default(), Duration::from_secs(60));
        assert_eq!(ends.note(Instant::now(), within), 1);
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(ends.note(Instant::now(), within), 2);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(ends.note(Instant::now(), within), 2);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(ends.note(Instant::now(), within), 1);
    }
}
