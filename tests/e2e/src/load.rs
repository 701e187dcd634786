//! Writers that change objects all the time. Each sends one command, under an id of its own, until
//! its outcome is known, and keeps count of what it was told.

use crate::objects::{ADD_ON, Kept, NAMESPACE, PLACEMENT, Shape, Standing, ground};
use crate::{EVERY, Fleetlog, Member};
use anyhow::{Context as _, Result, bail};
use fleetlog_bus::{Client, ClientError, Fault};
use fleetlog_chassis::{Ids, Tasks};
use fleetlog_cli::commands::apply::prepare;
use fleetlog_cli::documents::Source;
use fleetlog_kernel::{CommandId, Position};
use fleetlog_messages::addon::{AddOnCommand, DeleteAddOn, add_on_command};
use fleetlog_messages::common::outcome;
use fleetlog_messages::subject::AggregateId;
use fleetlog_messages::work::{DeleteWork, WorkCommand, work_command};
use prost::Message as _;
use serde_json::Value;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedRwLockWriteGuard, RwLock, watch};

/// How often a command without an outcome is sent again, under its id.
const TRIES: u32 = 10;
/// How long the taking of manifests may take before they are handed over again.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// Works of each writer on each member.
const WORKS: usize = 4;

/// A command that was acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledged {
    pub(crate) id: CommandId,
    pub(crate) to: AggregateId,
    /// Where it was committed; 0 where nothing had to change.
    pub(crate) position: Position,
}

/// What the command makes of a document.
pub struct Order {
    /// The object.
    pub to: AggregateId,
    /// The encoded command message.
    pub command: Vec<u8>,
    /// Its manifests, which go before it.
    pub bundle: Option<Vec<u8>>,
}

/// Reads a document as the command does.
///
/// # Errors
/// One that is refused before it is sent.
pub fn order(document: &Value) -> Result<Order> {
    let source = Source { name: "load".to_owned(), text: document.to_string() };
    let order = prepare(&[source], None)?.pop().context("nothing to apply")?;
    let info = order.target.info;
    let to = AggregateId {
        service: info.service.context("no service decides on it")?,
        kind: info.token.to_owned(),
        scope: order.target.namespace.clone(),
        name: order.target.name.clone(),
    };
    Ok(Order { to, command: order.command, bundle: order.bundle })
}

/// Somebody who commands and waits for each outcome.
#[derive(Clone)]
pub struct Writing {
    client: Client,
}

impl Writing {
    /// As the administrator of a hub.
    #[must_use]
    pub fn on(whole: &Fleetlog) -> Self {
        Self { client: whole.client() }
    }

    /// Applies a document; hands its manifests over first.
    ///
    /// # Errors
    /// A refusal, or no outcome after many tries.
    pub async fn apply(&self, document: &Value) -> Result<Position> {
        Ok(self.apply_as(document).await?.position)
    }

    async fn apply_as(&self, document: &Value) -> Result<Acknowledged> {
        let order = order(document)?;
        if let Some(body) = order.bundle {
            self.hand_over(body).await?;
        }
        self.command(&order.to, order.command).await
    }

    async fn hand_over(&self, body: Vec<u8>) -> Result<()> {
        let started = tokio::time::Instant::now();
        loop {
            // Who dies over a question answers never.
            let put = self.client.put_blob(body.clone().into());
            match tokio::time::timeout(ANSWERS_WITHIN, put).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(ClientError::Refused(refusal))) => bail!("refused: {refusal:?}"),
                _ if started.elapsed() > crate::WITHIN => bail!("nobody takes the manifests"),
                _ => tokio::time::sleep(EVERY).await,
            }
        }
    }

    /// Sends a command until its outcome is known.
    pub(crate) async fn command(&self, to: &AggregateId, payload: Vec<u8>) -> Result<Acknowledged> {
        let id = Ids::Random.command();
        let mut last = None;
        for _ in 0..TRIES {
            match self.client.command_as(&id, to, payload.clone().into()).await {
                Ok(found) => match found.result {
                    Some(outcome::Result::Accomplished(done)) => {
                        let position = if done.types.is_empty() { 0 } else { done.position };
                        let (to, position) = (to.clone(), Position(position));
                        return Ok(Acknowledged { id, to, position });
                    }
                    refused => bail!("{to}: {refused:?}"),
                },
                Err(ClientError::Refused(refusal)) => bail!("{to}: {refusal:?}"),
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(EVERY).await;
        }
        bail!("{to}: command \"{id}\" has no outcome: {last:?}")
    }
}

/// What one writer has to do with.
struct Desk {
    kept: Vec<Kept>,
    acknowledged: Vec<Acknowledged>,
    random: Ids,
    value: u64,
}

impl Desk {
    /// The next thing to do: an object, and its new value or none at all.
    fn choose(&mut self) -> Option<(usize, Option<u64>)> {
        let ready: Vec<usize> = (0..self.kept.len())
            .filter(|index| self.kept[*index].standing != Standing::Leaving)
            .collect();
        let count = u64::try_from(ready.len()).unwrap_or(1);
        let index = *ready.get(usize::try_from(self.random.below(count)).unwrap_or(0))?;
        let there = matches!(self.kept[index].standing, Standing::There { .. });
        if there && self.kept[index].may_leave() && self.random.below(4) == 0 {
            return Some((index, None));
        }
        self.value += 1;
        Some((index, Some(self.value)))
    }
}

/// All writers.
pub struct Load {
    desks: Vec<Arc<Mutex<Desk>>>,
    gate: Arc<RwLock<()>>,
    count: watch::Receiver<u64>,
    tasks: Tasks,
}

/// While this lives nobody writes, and everything sent has its outcome.
pub struct Pause {
    _held: OwnedRwLockWriteGuard<()>,
}

impl Load {
    /// Prepares a hub and starts writers: one for each member's works and add-on, one for sets, one
    /// for a placement and its replica set.
    ///
    /// # Errors
    /// A step of the preparation that fails.
    pub async fn start(whole: &Fleetlog, members: &[Member], seed: u64) -> Result<Self> {
        let writing = Writing::on(whole);
        for document in ground() {
            writing.apply(&document).await?;
        }
        let mut all = vec![
            vec![Kept::new(Shape::Set, None, "load-1"), Kept::new(Shape::Set, None, "load-2")],
            vec![
                Kept::new(Shape::Placement, Some(NAMESPACE), PLACEMENT),
                Kept::new(Shape::ReplicaSet, Some(NAMESPACE), "spread"),
            ],
        ];
        all.extend(members.iter().map(|member| {
            let own = Some(member.name());
            let works = (1..=WORKS).map(|n| Kept::new(Shape::Work, own, format!("load-{n}")));
            works.chain([Kept::new(Shape::AddOn, own, ADD_ON)]).collect()
        }));
        let (told, count) = watch::channel(0);
        let (told, gate, tasks) = (Arc::new(told), Arc::<RwLock<()>>::default(), Tasks::default());
        let mut desks = vec![];
        for (number, kept) in (1_u64..).zip(all) {
            let random = Ids::seeded(seed.wrapping_mul(1_000).wrapping_add(number));
            let value = number * 1_000_000;
            let desk = Desk { kept, acknowledged: vec![], random, value };
            let desk = Arc::new(Mutex::new(desk));
            desks.push(desk.clone());
            let (writing, gate, told) = (writing.clone(), gate.clone(), told.clone());
            tasks.spawn("writer", async move {
                loop {
                    let _writing = gate.read().await;
                    let done = step(&writing, &desk).await;
                    done.map_err(|error| Fault::lasting("write", error))?;
                    told.send_modify(|count| *count += 1);
                }
            });
        }
        Ok(Self { desks, gate, count, tasks })
    }

    /// Waits until so many commands more were acknowledged.
    ///
    /// # Errors
    /// A writer that failed.
    pub async fn progress(&mut self, more: u64) -> Result<()> {
        let wanted = *self.count.borrow() + more;
        tokio::select! {
            failed = self.tasks.join() => failed.context("a writer ended"),
            counted = self.count.wait_for(|count| *count >= wanted) => Ok(counted.map(drop)?),
        }
    }

    /// Waits until every writer has its outcome, and holds them.
    ///
    /// # Errors
    /// A writer that failed.
    pub async fn pause(&self) -> Result<Pause> {
        tokio::select! {
            biased;
            held = self.gate.clone().write_owned() => Ok(Pause { _held: held }),
            failed = self.tasks.join() => { failed?; bail!("a writer ended") }
        }
    }

    /// How many commands were acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        *self.count.borrow()
    }

    /// What should be there now.
    pub(crate) fn kept(&self, _pause: &Pause) -> Vec<Kept> {
        self.desks.iter().flat_map(|desk| locked(desk).kept.clone()).collect()
    }

    /// What was acknowledged since the last time.
    pub(crate) fn told(&self, _pause: &Pause) -> Vec<Acknowledged> {
        self.desks.iter().flat_map(|desk| std::mem::take(&mut locked(desk).acknowledged)).collect()
    }

    /// What was leaving is gone: it may be made anew.
    pub(crate) fn all_gone(&self, _pause: &Pause) {
        for desk in &self.desks {
            for kept in &mut locked(desk).kept {
                if kept.standing == Standing::Leaving {
                    kept.standing = Standing::Absent;
                }
            }
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.tasks.abort();
    }
}

fn locked(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn step(writing: &Writing, desk: &Mutex<Desk>) -> Result<()> {
    let chosen = {
        let mut desk = locked(desk);
        desk.choose().map(|(index, value)| (index, value, desk.kept[index].clone()))
    };
    let Some((index, value, object)) = chosen else {
        tokio::time::sleep(EVERY).await;
        return Ok(());
    };
    let (done, standing) = match value {
        Some(value) => (writing.apply_as(&object.document(value)).await?, object.given(value)),
        None => (writing.command(&object.aggregate(), deletion(&object)).await?, Standing::Leaving),
    };
    let mut desk = locked(desk);
    desk.acknowledged.push(done);
    desk.kept[index].standing = standing;
    Ok(())
}

fn deletion(object: &Kept) -> Vec<u8> {
    if object.shape == Shape::AddOn {
        let command = Some(add_on_command::Command::Delete(DeleteAddOn {}));
        return AddOnCommand { command }.encode_to_vec();
    }
    let command = Some(work_command::Command::Delete(DeleteWork {}));
    WorkCommand { command }.encode_to_vec()
}
