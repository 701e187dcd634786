//! The streams and the work queues, as data. Streams of features that do not exist yet are not
//! made.

use std::time::Duration;

pub use fleetlog_bus::SNAP_BUCKET;
use fleetlog_bus::{QueueSpec, Storage, StreamSpec, WhenFull};
use fleetlog_kernel::Service;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Every stream, in the order in which they are made.
#[must_use]
pub fn streams() -> Vec<StreamSpec> {
    vec![
        events(),
        cmd(),
        told(),
        result(),
        blobs(),
        keys(),
        work(),
        status(),
        kevents(),
        lease(),
        timer(),
        dlq(),
    ]
}

/// Every durable work queue: commands of users and of services for each service, and agents'
/// reports.
#[must_use]
pub fn queues() -> Vec<QueueSpec> {
    let of_service = |service: Service| {
        [
            queue("CMD", format!("cmd-{service}"), format!("fl.cmd.{service}.>")),
            queue("DO", format!("do-{service}"), format!("fl.do.{service}.>")),
        ]
    };
    let mut all: Vec<QueueSpec> = Service::ALL.into_iter().flat_map(of_service).collect();
    all.push(queue("STATUS", "status-registration".to_owned(), "fl.st.*.cluster".to_owned()));
    all.push(queue("STATUS", "status-work".to_owned(), "fl.st.*.work.>".to_owned()));
    for woken in [Service::Placement, Service::Work, Service::Addon] {
        all.push(queue("TIMER", format!("due-{woken}"), format!("fl.timer.due.{woken}.>")));
    }
    all
}

/// The queues that belong to one service.
#[must_use]
pub fn queues_of(service: Service) -> Vec<QueueSpec> {
    let mine = format!("-{service}");
    queues().into_iter().filter(|queue| queue.durable.ends_with(&mine)).collect()
}

fn queue(stream: &'static str, durable: String, filter: String) -> QueueSpec {
    QueueSpec { stream, durable, filter, max_ack_pending: 1_000, ack_wait: Duration::from_secs(30) }
}

/// A stream with nothing allowed and nothing bounded.
fn plain(name: &'static str, subjects: &[&str]) -> StreamSpec {
    StreamSpec {
        name,
        subjects: subjects.iter().map(|&s| s.to_owned()).collect(),
        storage: Storage::File,
        max_age: None,
        max_messages: None,
        per_subject: None,
        when_full: WhenFull::DropOldest,
        duplicate_window: 2 * MINUTE,
        deny_delete: false,
        deny_purge: false,
        atomic: false,
        direct: false,
        message_ttl: false,
        marker_ttl: None,
        republish: None,
        schedules: false,
        max_consumers: None,
    }
}

/// The truth. Nothing may ever leave it, so TTLs stay off: that setting could not be taken back.
fn events() -> StreamSpec {
    StreamSpec {
        deny_delete: true,
        deny_purge: true,
        atomic: true,
        max_consumers: Some(256),
        ..plain("EVENTS", &["fl.ev.>"])
    }
}

/// What users ask. Their ids are not trusted, so the window only serves their own retries.
fn cmd() -> StreamSpec {
    StreamSpec {
        max_age: Some(30 * DAY),
        duplicate_window: 10 * MINUTE,
        deny_delete: true,
        deny_purge: true,
        ..plain("CMD", &["fl.cmd.>"])
    }
}

/// What services tell services; only they can write it, so deterministic ids are safe.
fn told() -> StreamSpec {
    StreamSpec { name: "DO", subjects: vec!["fl.do.>".to_owned()], ..cmd() }
}

/// The outcome of each user's command.
fn result() -> StreamSpec {
    StreamSpec {
        max_age: Some(30 * DAY),
        per_subject: Some(1),
        deny_delete: true,
        deny_purge: true,
        ..plain("RESULT", &["fl.res.>"])
    }
}

/// Content-addressed bodies: created once each.
fn blobs() -> StreamSpec {
    StreamSpec {
        per_subject: Some(1),
        when_full: WhenFull::RefuseNew,
        deny_delete: true,
        direct: true,
        ..plain("BLOBS", &["fl.blob.*"])
    }
}

/// What the values of secrets are sealed with: taken out with the secret, for the log keeps what
/// was sealed.
fn keys() -> StreamSpec {
    StreamSpec {
        per_subject: Some(1),
        when_full: WhenFull::RefuseNew,
        ..plain("KEYS", &["fl.key.*"])
    }
}

/// What each cluster should run now; derived. No markers: an unsigned message must not reach
/// agents.
fn work() -> StreamSpec {
    StreamSpec {
        storage: Storage::FileAsync,
        per_subject: Some(1),
        deny_delete: true,
        direct: true,
        message_ttl: true,
        republish: Some(("fl.work.>".to_owned(), "fl.live.>".to_owned())),
        ..plain("WORK", &["fl.work.>"])
    }
}

/// The agents' inbox. The window is short because one cluster could use another's message id.
fn status() -> StreamSpec {
    StreamSpec {
        per_subject: Some(1),
        duplicate_window: Duration::from_millis(100),
        deny_delete: true,
        ..plain("STATUS", &["fl.st.>"])
    }
}

/// Events of Kubernetes, for people: no truth, and bounded however many are told.
fn kevents() -> StreamSpec {
    StreamSpec {
        max_age: Some(60 * MINUTE),
        max_messages: Some(65_536),
        per_subject: Some(1),
        message_ttl: true,
        marker_ttl: Some(MINUTE),
        ..plain("KEVENTS", &["fl.kev.>"])
    }
}

/// Liveness and leadership; the marker of an expired lease outlives any outage of a service.
fn lease() -> StreamSpec {
    StreamSpec {
        storage: Storage::Memory,
        per_subject: Some(1),
        message_ttl: true,
        marker_ttl: Some(DAY),
        ..plain("LEASE", &["fl.lease.*", "fl.klease.>", "fl.lead.*"])
    }
}

/// Deadlines: one per aggregate, set on one subject and due on another.
fn timer() -> StreamSpec {
    StreamSpec {
        per_subject: Some(1),
        message_ttl: true,
        schedules: true,
        ..plain("TIMER", &["fl.timer.set.>", "fl.timer.due.>"])
    }
}

/// What could not be handled, with the reason.
fn dlq() -> StreamSpec {
    StreamSpec { max_age: Some(90 * DAY), ..plain("DLQ", &["fl.dlq.>"]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_queue_reads_a_subject_of_its_stream() {
        let streams = streams();
        for queue in queues() {
            let stream = streams.iter().find(|s| s.name == queue.stream).unwrap();
            let mut prefixes = stream.subjects.iter().map(|s| s.trim_end_matches('>'));
            assert!(prefixes.any(|prefix| queue.filter.starts_with(prefix)), "{queue:?}");
        }
    }

    #[test]
    fn every_service_has_its_two_command_queues() {
        for service in Service::ALL {
            let streams: Vec<&str> = queues_of(service).iter().map(|q| q.stream).collect();
            assert_eq!(streams[..2], ["CMD", "DO"], "{service}");
        }
    }
}
