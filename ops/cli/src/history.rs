//! The event log for those who look back: what there is now, one commit by its position, and what
//! comes. Needs an operator's connection.

use crate::failure::Failure;
use fleetlog_bus::{Client, Entry, LogReading, SharedBroker};
use fleetlog_chassis::Ids;
use fleetlog_kernel::{Actor, Position};
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::subject::{self, AggregateId, Subject};
use futures::StreamExt as _;
use std::ops::RangeInclusive;

/// The event log, for reading.
pub struct History {
    client: Client,
}

impl History {
    /// Over an operator's connection.
    #[must_use]
    pub fn over(broker: SharedBroker) -> Self {
        Self { client: Client::new(broker, Actor::new("operator"), || Ids::Random.command()) }
    }

    /// Opens a reading after `after` that goes on with what comes.
    ///
    /// # Errors
    /// A server that does not answer.
    pub async fn follow(&self, filter: &Subject, after: Position) -> Result<LogReading, Failure> {
        Ok(self.client.events(filter, after).await?)
    }

    /// Gives each entry of the positions `span` that is there now to `take`, in order; answers how
    /// many there were. Nothing is kept.
    ///
    /// # Errors
    /// A server that does not answer.
    pub async fn each(
        &self,
        filter: &Subject,
        span: RangeInclusive<u64>,
        mut take: impl FnMut(Entry),
    ) -> Result<u64, Failure> {
        let after = Position(span.start().saturating_sub(1));
        let LogReading { pending, mut entries } = self.follow(filter, after).await?;
        let mut taken = 0;
        while taken < pending {
            let Some(entry) = entries.next().await.transpose()? else { break };
            if entry.position().0 > *span.end() {
                break;
            }
            take(entry);
            taken += 1;
        }
        Ok(taken)
    }

    /// Everything after `after` that is there now.
    ///
    /// # Errors
    /// A server that does not answer.
    pub async fn entries(&self, filter: &Subject, after: Position) -> Result<Vec<Entry>, Failure> {
        let mut found = vec![];
        self.each(filter, after.next().0..=u64::MAX, |entry| found.push(entry)).await?;
        Ok(found)
    }

    /// Every commit of an object.
    ///
    /// # Errors
    /// A server that does not answer, or a commit that cannot be read.
    pub async fn of(&self, aggregate: &AggregateId) -> Result<Vec<Recorded>, Failure> {
        let entries = self.entries(&aggregate.event(), Position::START).await?;
        let commits = entries.into_iter().map(Entry::into_commit);
        Ok(commits.collect::<Result<_, _>>()?)
    }

    /// The commit at a position; `None` when there is none.
    ///
    /// # Errors
    /// A server that does not answer, or a commit that cannot be read.
    pub async fn at(&self, position: Position) -> Result<Option<Recorded>, Failure> {
        if position == Position::START {
            return Ok(None);
        }
        let before = Position(position.0 - 1);
        let LogReading { pending, mut entries } = self.follow(&subject::events(), before).await?;
        if pending == 0 {
            return Ok(None);
        }
        let Some(entry) = entries.next().await else { return Ok(None) };
        let commit = entry?.into_commit()?;
        Ok((commit.position == position).then_some(commit))
    }
}
