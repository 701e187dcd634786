//! The log as an auditor reads it: from the start, once, holding every commit to the rules that no
//! crash may break.

use crate::load::Acknowledged;
use crate::{Fleetlog, Load, Pause};
use anyhow::{Context as _, Result, bail, ensure};
use fleetlog_bus::{Entry, SharedBroker};
use fleetlog_kernel::Position;
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::subject::{self, AggregateId, Subject};
use futures::StreamExt as _;
use std::collections::{BTreeMap, BTreeSet};

/// What was read so far.
pub struct History {
    operator: SharedBroker,
    position: Position,
    versions: BTreeMap<AggregateId, u64>,
    ids: BTreeSet<String>,
    asked: BTreeMap<(AggregateId, String), Position>,
}

impl History {
    /// Of a hub; nothing is read yet.
    ///
    /// # Errors
    /// When the operator is not let in.
    pub async fn of(whole: &Fleetlog) -> Result<Self> {
        let operator = whole.hub().operator().await?;
        let (versions, ids, asked) = Default::default();
        Ok(Self { operator, position: Position::START, versions, ids, asked })
    }

    /// Reads on and holds what is new to the rules: versions without a gap, causes before their
    /// effects, no id twice, no command twice on one aggregate. Answers how many commits there are.
    ///
    /// # Errors
    /// The first commit that breaks one.
    pub async fn audit(&mut self) -> Result<u64> {
        for commit in commits(&self.operator, &subject::events(), self.position).await? {
            self.take(&commit).with_context(|| format!("{commit:?}"))?;
        }
        Ok(self.position.0)
    }

    /// The same, and that each command that was acknowledged to a writer is where it was told to
    /// be, and nowhere else.
    ///
    /// # Errors
    /// What breaks a rule, or a command that is lost.
    pub async fn holds(&mut self, load: &Load, pause: &Pause) -> Result<u64> {
        let commits = self.audit().await?;
        for Acknowledged { id, to, position } in load.told(pause) {
            let key = (to.clone(), asked_as("admin", id.as_str()));
            let found = self.asked.get(&key).copied().unwrap_or_default();
            ensure!(found == position, "{to}: \"{id}\" is at {found}, acknowledged at {position}");
        }
        Ok(commits)
    }

    fn take(&mut self, commit: &Recorded) -> Result<()> {
        let Recorded { position, aggregate, header, .. } = commit;
        let version = self.versions.entry(aggregate.clone()).or_default();
        *version += 1;
        ensure!(header.version == *version, "version {} follows {}", header.version, *version - 1);
        ensure!(header.cause < *position, "its cause comes after it");
        ensure!(self.ids.insert(header.id.to_string()), "its id came before");
        // Reports of agents have no id of their own: they are levels.
        if !header.actor.starts_with("cluster:") {
            let key = (aggregate.clone(), asked_as(&header.actor, header.command.as_str()));
            let before = self.asked.insert(key, *position);
            ensure!(before.is_none(), "its command was done at {before:?}");
        }
        self.position = *position;
        Ok(())
    }
}

fn asked_as(actor: &str, command: &str) -> String {
    format!("{actor}/{command}")
}

/// Every commit that a filter covers, after a position, up to now.
///
/// # Errors
/// A server that does not answer, or a message that is no commit.
pub async fn commits(
    operator: &SharedBroker,
    filter: &Subject,
    after: Position,
) -> Result<Vec<Recorded>> {
    let mut reading = operator.read("EVENTS", filter, after.next().0).await?;
    let (mut left, mut found) = (reading.pending, vec![]);
    while left > 0 {
        let message = reading.messages.next().await.context("the reading ended")??;
        left = message.pending;
        match Entry::read(&message) {
            Entry::Commit(commit, _) => found.push(commit),
            malformed @ Entry::Malformed { .. } => bail!("{malformed:?}"),
        }
    }
    Ok(found)
}
