//! From the server's verdicts to an append's answer. Servers of one and of three replicas answer a
//! retry differently, and one of three may refuse a commit because of another that is still on its
//! way: neither is seen above.

use crate::SharedBroker;
use crate::event_log::{Append, STREAM};
use crate::fault::Fault;
use crate::port::{Publish, PublishError, Stored, StoredMessage};
use crate::rules::MESSAGE_ID;
use fleetlog_kernel::Position;
use fleetlog_messages::subject::Subject;
use futures::future::try_join_all;
use futures::stream::StreamExt as _;
use std::time::Duration;

/// How often a commit is sent again that was refused although its aggregate stands as expected:
/// another is on its way to the replicas.
const TRIES: u32 = 10;
/// How long the first of those waits; each next one twice as long, up to [`LONGEST`].
const FIRST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_millis(200);
/// How many members of a refused batch are looked for at once.
const LOOKS: usize = 32;

/// Appends one commit by itself.
///
/// # Errors
/// When the server refuses it for good.
pub(crate) async fn append_one(broker: &SharedBroker, publish: &Publish) -> Result<Append, Fault> {
    let mut pause = FIRST;
    for _ in 0..TRIES {
        let verdict = broker.publish(publish.clone()).await;
        if let Some(append) = settled(broker, publish, verdict).await? {
            return Ok(append);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
    Ok(Append::Unknown(on_its_way()))
}

/// Appends several commits as one: all or none.
///
/// # Errors
/// When the server refuses them for good.
pub(crate) async fn append_all(
    broker: &SharedBroker,
    publishes: Vec<Publish>,
) -> Result<Append, Fault> {
    let (mut pause, mut duplicate) = (FIRST, false);
    for _ in 0..TRIES {
        let error = match broker.publish_atomic(publishes.clone()).await {
            Ok(stored) => return Ok(Append::Appended(Position(stored.sequence))),
            Err(error) => error,
        };
        match error {
            PublishError::WrongLast { .. } | PublishError::DuplicateInBatch => {
                duplicate = error == PublishError::DuplicateInBatch;
                if let Some(append) = stored_before(broker, &publishes).await? {
                    return Ok(append);
                }
            }
            PublishError::Unknown(reason) => return Ok(Append::Unknown(reason)),
            refused => return Err(refused.into_fault("append several commits")),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
    if duplicate {
        let taken = "another subject has the message id of one of them";
        return Err(Fault::lasting("append several commits", taken));
    }
    Ok(Append::Unknown(on_its_way()))
}

fn on_its_way() -> String {
    "another commit of the aggregate is on its way, and does not arrive".to_owned()
}

/// What the server's verdict on a single append means; none when it refuses an expectation that
/// holds as far as anybody can see.
async fn settled(
    broker: &SharedBroker,
    publish: &Publish,
    verdict: Result<Stored, PublishError>,
) -> Result<Option<Append>, Fault> {
    let append = match verdict {
        Ok(Stored { sequence, duplicate: false }) => Append::Appended(Position(sequence)),
        Ok(Stored { sequence, duplicate: true }) => {
            match find(broker, publish, sequence.saturating_sub(1)).await? {
                Found::Ours(position) => Append::AlreadyAppended(position),
                Found::Others(_) => {
                    return Err(Fault::lasting(
                        format!("append to \"{}\"", publish.subject),
                        format!("another subject has its message id, at position {sequence}"),
                    ));
                }
            }
        }
        Err(PublishError::WrongLast { .. }) => {
            let expected = publish.expect_last.unwrap_or(0);
            match find(broker, publish, expected).await? {
                Found::Ours(position) => Append::AlreadyAppended(position),
                Found::Others(position) if position.0 == expected => return Ok(None),
                Found::Others(position) => Append::Conflict(position),
            }
        }
        Err(PublishError::Unknown(reason)) => Append::Unknown(reason),
        Err(refused) => {
            return Err(refused.into_fault(format!("append to \"{}\"", publish.subject)));
        }
    };
    Ok(Some(append))
}

enum Found {
    /// The commit lies there.
    Ours(Position),
    /// It does not; this is the subject's last position.
    Others(Position),
}

/// Looks for a commit among those of its aggregate after `after`: the last first, nearly always.
async fn find(broker: &SharedBroker, publish: &Publish, after: u64) -> Result<Found, Fault> {
    let subject = Subject::raw(&publish.subject);
    let Some(last) = broker.last(STREAM, &subject).await? else {
        return Ok(Found::Others(Position::START));
    };
    if is(&last, publish) {
        return Ok(Found::Ours(Position(last.sequence)));
    }
    if last.sequence > after + 1 {
        let mut reading = broker.read(STREAM, &subject, after + 1).await?.messages;
        while let Some(message) = reading.next().await.transpose()? {
            if is(&message, publish) {
                return Ok(Found::Ours(Position(message.sequence)));
            }
            if message.sequence >= last.sequence {
                break;
            }
        }
    }
    Ok(Found::Others(Position(last.sequence)))
}

fn is(message: &StoredMessage, publish: &Publish) -> bool {
    publish.id.is_some() && message.headers.get(MESSAGE_ID) == publish.id.as_ref()
}

/// A refused batch: either all of it was stored before, or an aggregate stands elsewhere; none when
/// each of them stands as expected, as far as anybody can see.
async fn stored_before(
    broker: &SharedBroker,
    publishes: &[Publish],
) -> Result<Option<Append>, Fault> {
    let (mut all, mut as_expected, mut last) = (true, true, Position::START);
    for some in publishes.chunks(LOOKS) {
        let expected = |publish: &Publish| publish.expect_last.unwrap_or(0);
        let looks = some.iter().map(|publish| find(broker, publish, expected(publish)));
        for (publish, found) in some.iter().zip(try_join_all(looks).await?) {
            as_expected &=
                matches!(found, Found::Others(position) if position.0 == expected(publish));
            all &= matches!(found, Found::Ours(_));
            let (Found::Ours(position) | Found::Others(position)) = found;
            last = last.max(position);
        }
    }
    Ok(match (all, as_expected) {
        (true, _) => Some(Append::AlreadyAppended(last)),
        (false, true) => None,
        (false, false) => Some(Append::Conflict(last)),
    })
}
