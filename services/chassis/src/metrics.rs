//! What every loop counts: received, handled, refused, failed, and how far behind it is.

use fleetlog_kernel::Service;
use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use prometheus_client::registry::Registry;
use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

/// The counters of one loop.
#[derive(Debug, Default)]
pub struct Counts {
    received: Counter,
    handled: Counter,
    refused: Counter,
    failed: Counter,
    lag: Gauge,
}

/// A reading of [`Counts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Messages that came in.
    pub received: u64,
    /// Messages done with.
    pub handled: u64,
    /// Commands and questions the domain said no to.
    pub refused: u64,
    /// Messages given up on.
    pub failed: u64,
    /// Messages behind the end, as last seen.
    pub lag: i64,
}

impl Counts {
    /// One came in.
    pub fn received(&self) {
        self.received.inc();
    }

    /// One is done with.
    pub fn handled(&self) {
        self.handled.inc();
    }

    /// One was refused.
    pub fn refused(&self) {
        self.refused.inc();
    }

    /// One was given up on.
    pub fn failed(&self) {
        self.failed.inc();
    }

    /// So many wait.
    pub fn lags(&self, behind: u64) {
        self.lag.set(i64::try_from(behind).unwrap_or(i64::MAX));
    }

    /// The counters now.
    #[must_use]
    pub fn read(&self) -> Reading {
        Reading {
            received: self.received.get(),
            handled: self.handled.get(),
            refused: self.refused.get(),
            failed: self.failed.get(),
            lag: self.lag.get(),
        }
    }

    fn register(&self, registry: &mut Registry, service: Service, of: &'static str) {
        let labels = [("service", service.token()), ("loop", of)]
            .map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value)));
        let loops = registry.sub_registry_with_labels(labels.into_iter());
        loops.register("received", "Messages that came in", self.received.clone());
        loops.register("handled", "Messages done with", self.handled.clone());
        loops.register("refused", "Messages the domain said no to", self.refused.clone());
        loops.register("failed", "Messages given up on", self.failed.clone());
        loops.register("lag", "Messages behind the end", self.lag.clone());
    }
}

/// The counters of a service's loops.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Commands -> decisions.
    pub serve: Counts,
    /// Events -> views.
    pub project: Counts,
    /// Events -> commands.
    pub react: Counts,
    /// Questions.
    pub query: Counts,
    waiting_for_space: Gauge,
    events_behind: Gauge,
}

/// One step that may find the disk full; it counts as waiting while it does.
pub(crate) struct SpaceWait<'a> {
    gauge: &'a Gauge,
    counted: AtomicBool,
}

impl SpaceWait<'_> {
    /// The step found the disk full, or did not.
    pub(crate) fn note(&self, full: bool) {
        match (self.counted.swap(full, Ordering::Relaxed), full) {
            (false, true) => self.gauge.inc(),
            (true, false) => self.gauge.dec(),
            _ => return,
        };
    }
}

impl Drop for SpaceWait<'_> {
    fn drop(&mut self) {
        self.note(false);
    }
}

impl Metrics {
    /// Shows the counters as `fleetlog_<what>{service, loop}`, what concerns a whole service
    /// without the loop.
    pub fn register(&self, registry: &mut Registry, service: Service) {
        let fleetlog = registry.sub_registry_with_prefix("fleetlog");
        self.serve.register(fleetlog, service, "serve");
        self.project.register(fleetlog, service, "project");
        self.react.register(fleetlog, service, "react");
        self.query.register(fleetlog, service, "query");
        let label = (Cow::Borrowed("service"), Cow::Borrowed(service.token()));
        let whole = fleetlog.sub_registry_with_label(label);
        let waiting = "Steps that wait for space on a full disk";
        whole.register("waiting_for_space", waiting, self.waiting_for_space.clone());
        let behind = "Events of the log that are not folded in yet";
        whole.register("events_behind", behind, self.events_behind.clone());
    }

    /// How many events of the log were not folded in when that was last looked at.
    #[must_use]
    pub fn events_behind(&self) -> i64 {
        self.events_behind.get()
    }

    pub(crate) fn is_behind(&self, events: u64) {
        self.events_behind.set(i64::try_from(events).unwrap_or(i64::MAX));
    }

    /// How many steps wait for space on a full disk.
    #[must_use]
    pub fn waiting_for_space(&self) -> i64 {
        self.waiting_for_space.get()
    }

    pub(crate) fn space_wait(&self) -> SpaceWait<'_> {
        SpaceWait { gauge: &self.waiting_for_space, counted: AtomicBool::new(false) }
    }
}
