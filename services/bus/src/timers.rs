//! TIMER: deadlines that outlive the process that set them. An aggregate has at most one: a newer
//! takes the place of an older. What is to be done then is the service's.

use crate::SharedBroker;
use crate::fault::Fault;
use crate::port::{Headers, Publish};
use crate::rules::{SCHEDULE, SCHEDULE_TARGET, SCHEDULE_TTL};
use bytes::Bytes;
use fleetlog_kernel::{Position, Timestamp};
use fleetlog_messages::common::Time;
use fleetlog_messages::envelope::header;
use fleetlog_messages::subject::AggregateId;

/// How long a timer that is due waits for its service.
const KEPT: &str = "24h";

/// TIMER.
#[derive(Clone)]
pub struct Timers {
    broker: SharedBroker,
}

impl Timers {
    /// Over a connection.
    #[must_use]
    pub fn new(broker: SharedBroker) -> Self {
        Self { broker }
    }

    /// Wakes `whom` at a moment (whole seconds; one in the past is now) with the encoded command
    /// message, because of the commit at `cause`.
    ///
    /// # Errors
    /// A server that does not take it.
    pub async fn set(
        &self,
        whom: &AggregateId,
        at: Timestamp,
        cause: Position,
        payload: Bytes,
    ) -> Result<(), Fault> {
        let moment = Time { seconds: at.seconds(), ..Time::default() };
        let headers = Headers::from([
            (SCHEDULE.to_owned(), format!("@at {}", moment.render())),
            (SCHEDULE_TARGET.to_owned(), whom.timer_due().as_str().to_owned()),
            (SCHEDULE_TTL.to_owned(), KEPT.to_owned()),
            (header::CAUSE.to_owned(), cause.0.to_string()),
            (header::DUE.to_owned(), at.seconds().to_string()),
        ]);
        let subject = whom.timer_set().as_str().to_owned();
        let publish = Publish { subject, headers, payload, ..Publish::default() };
        let stored = self.broker.publish(publish).await;
        stored.map(drop).map_err(|error| error.into_fault(format!("set the timer of \"{whom}\"")))
    }
}
