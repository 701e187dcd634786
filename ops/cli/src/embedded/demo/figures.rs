//! The figures of a demo: what was measured, as a sentence and as JSON.

use serde::Serialize;

/// What one run of the demo measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Member clusters that joined.
    pub clusters: u64,
    /// Objects applied on members, summed over clusters.
    pub objects: u64,
    /// Commits in the event log.
    pub events: u64,
    /// From the start of `apply` to both works Available with every Deployment ready.
    pub apply_to_available_s: f64,
    /// From the last beat of a silent cluster to the work on its replacement Available with every
    /// Deployment ready.
    pub failover_s: f64,
    /// From the start of `apply` to the add-on Available on every cluster of its placement.
    pub addon_s: f64,
    /// Commits folded a second, by the slowest service.
    pub replay_events_per_s: u64,
    /// Whether each service's live state is what the log says.
    pub replay_equal: bool,
    /// The whole story, building left out.
    pub total_s: f64,
}

impl Figures {
    /// One sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Self { clusters, objects, events, .. } = self;
        format!(
            "{clusters} clusters joined, {objects} objects applied on them, available {:.2} s \
             after apply, and on another cluster {:.2} s after the last beat of one of \
             them; an add-on available {:.2} s after its own; {events} events, replayed \
             at {} a second to {} state; {:.1} s in all.",
            self.apply_to_available_s,
            self.failover_s,
            self.addon_s,
            self.replay_events_per_s,
            if self.replay_equal { "an equal" } else { "ANOTHER" },
            self.total_s,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_has_the_promised_names() {
        let json = serde_json::to_value(Figures::default()).unwrap();
        let names: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
        let mut promised = [
            "clusters",
            "objects",
            "events",
            "apply_to_available_s",
            "failover_s",
            "addon_s",
            "replay_events_per_s",
            "replay_equal",
            "total_s",
        ];
        promised.sort_unstable();
        assert_eq!(names, promised);
    }

    #[test]
    fn an_unequal_replay_is_not_hidden() {
        assert!(Figures::default().sentence().contains("ANOTHER state"));
    }
}
