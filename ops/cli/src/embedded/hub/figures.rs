//! What a hub in one process shows of itself: the figures of its services and of the mirror that
//! followers read, and whether it is ready.

use super::EmbeddedHub;
use crate::failure::Failure;
use fleetlog_chassis::health;
use fleetlog_kernel::Service;
use fleetlog_topology::audit::Mirror;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often the mirror is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How the mirror stood at the last look.
#[derive(Clone, Default)]
pub struct MirrorFigures {
    behind: Gauge,
    silent: Gauge,
    alarm: Arc<Mutex<Option<String>>>,
}

impl MirrorFigures {
    fn note(&self, mirror: Option<Mirror>) {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.behind.set(mirror.map_or(0, |mirror| whole(mirror.behind)));
        let silent = |mirror: Mirror| mirror.heard.map_or(-1, |heard| whole(heard.as_secs()));
        self.silent.set(mirror.map_or(0, silent));
        let alarm = mirror.and_then(|mirror| mirror.alarm());
        let alarm = alarm.map(|alarm| format!("{}: {alarm}", alarm.code()));
        *self.alarm.lock().unwrap_or_else(PoisonError::into_inner) = alarm;
    }

    fn ready(&self) -> Result<(), String> {
        let alarm = self.alarm.lock().unwrap_or_else(PoisonError::into_inner);
        alarm.clone().map_or(Ok(()), Err)
    }

    fn register(&self, registry: &mut Registry) {
        let fleetlog = registry.sub_registry_with_prefix("fleetlog");
        let behind = "Commits that the mirror of followers lacks";
        fleetlog.register("mirror_behind", behind, self.behind.clone());
        let silent = "Seconds since the mirror of followers heard of the log, -1 for never";
        fleetlog.register("mirror_silent_seconds", silent, self.silent.clone());
    }
}

impl EmbeddedHub {
    /// Looks at the mirror that followers read, for as long as it is polled.
    pub(super) async fn watch_mirror(&self) -> Infallible {
        self.server.watch_mirror(LOOK_EVERY, |mirror| self.mirror.note(mirror)).await
    }

    /// Shows `/metrics`, `/healthz` and `/readyz`.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn show(&self, address: SocketAddr) -> Result<SocketAddr, Failure> {
        let mut registry = Registry::default();
        self.mirror.register(&mut registry);
        self.registration.metrics.register(&mut registry, Service::Registration);
        self.placement.metrics.register(&mut registry, Service::Placement);
        self.work.metrics.register(&mut registry, Service::Work);
        self.addon.metrics.register(&mut registry, Service::Addon);
        self.core.metrics.register(&mut registry, Service::Core);
        let (registration, placement) = (self.registration.clone(), self.placement.clone());
        let (work, addon, core) = (self.work.clone(), self.addon.clone(), self.core.clone());
        let mirror = self.mirror.clone();
        let ready = move || {
            registration.ready()?;
            placement.ready()?;
            work.ready()?;
            addon.ready()?;
            core.ready()?;
            mirror.ready()
        };
        Ok(health::serve_all(&self.tasks, address, registry, ready).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_that_is_cut_off_makes_the_hub_unready_until_it_goes_on() {
        let figures = MirrorFigures::default();
        assert_eq!(figures.ready(), Ok(()));
        figures.note(Some(Mirror { behind: 0, heard: None, position: 0 }));
        assert!(figures.ready().unwrap_err().starts_with("HUB0034: "));
        assert_eq!(figures.silent.get(), -1);
        let heard = Some(Duration::from_secs(3));
        figures.note(Some(Mirror { behind: 7, heard, position: 9 }));
        assert_eq!((figures.ready(), figures.behind.get(), figures.silent.get()), (Ok(()), 7, 3));
    }
}
