//! How a decision is divided into groups (spec, registration and placement, section 23): named
//! groups in their order, then the rest, each cut to the wanted length.

use crate::cluster::Cluster;
use fleetlog_messages::common::int_or_string::Value;
use fleetlog_messages::placement::GroupStrategy;
use fleetlog_rules::labels::{Selector, SelectorError};

/// How many clusters one group holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Count(i64),
    Percent(u32),
}

/// A named group: whom it takes.
#[derive(Clone, Debug, PartialEq)]
struct Named {
    name: String,
    labels: Selector,
    claims: Selector,
}

/// A group strategy, read. The default is one group of all.
#[derive(Clone, Debug, PartialEq)]
pub struct Groups {
    named: Vec<Named>,
    length: Length,
}

impl Default for Groups {
    fn default() -> Self {
        Self { named: vec![], length: Length::Percent(100) }
    }
}

/// Why a group strategy means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// A number as text, without the sign of a percentage (OCM's words).
    #[error("invalid value for IntOrString: invalid type: string is not a percentage")]
    NotAPercentage,
    /// The selector of the group of this number means nothing.
    #[error("{1}")]
    Selector(usize, SelectorError),
}

/// The group that a cluster is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The group's name; empty for the rest.
    pub group: String,
    /// Its index over all groups.
    pub index: u32,
}

impl Groups {
    /// Reads a strategy.
    ///
    /// # Errors
    /// What of it means nothing.
    pub fn of(strategy: &GroupStrategy) -> Result<Self, GroupError> {
        let size = strategy.clusters_per_decision_group.as_ref().and_then(|s| s.value.as_ref());
        let length = match size {
            None => Length::Percent(100),
            Some(Value::Int(count)) => Length::Count(*count),
            Some(Value::Str(text)) => {
                let percent = text.strip_suffix('%').and_then(|p| p.parse().ok());
                Length::Percent(percent.ok_or(GroupError::NotAPercentage)?)
            }
        };
        let mut named = Vec::new();
        for (index, group) in strategy.decision_groups.iter().enumerate() {
            let wrong = |error| GroupError::Selector(index, error);
            let selector = group.group_cluster_selector.as_ref();
            let labels = selector.and_then(|s| s.label_selector.as_ref());
            let claims = selector.and_then(|s| s.claim_selector.as_ref());
            let claims = claims.map(|c| Selector::of_requirements(&c.match_expressions));
            named.push(Named {
                name: group.group_name().to_owned(),
                labels: labels.map(Selector::of).transpose().map_err(wrong)?.unwrap_or_default(),
                claims: claims.transpose().map_err(wrong)?.unwrap_or_default(),
            });
        }
        Ok(Self { named, length })
    }

    /// The number of the first named group that takes a cluster.
    #[must_use]
    pub fn takes(&self, cluster: &Cluster) -> Option<usize> {
        let fits = |named: &Named| {
            named.labels.matches(&cluster.labels) && named.claims.matches(&cluster.claims)
        };
        self.named.iter().position(fits)
    }

    /// The place of each of `chosen`, which is in the order of names.
    #[must_use]
    pub fn places<'a>(&self, chosen: &[(&'a str, &Cluster)]) -> Vec<(&'a str, Place)> {
        let rest = self.named.len();
        let mut of_group: Vec<Vec<&str>> = vec![vec![]; rest + 1];
        for (name, cluster) in chosen {
            of_group[self.takes(cluster).unwrap_or(rest)].push(name);
        }
        let length = self.length(chosen.len());
        let mut places = Vec::with_capacity(chosen.len());
        let mut index = 0;
        for (number, members) in of_group.iter().enumerate() {
            let group = self.named.get(number).map_or("", |named| &named.name);
            for chunk in members.chunks(length) {
                let place = Place { group: group.to_owned(), index };
                places.extend(chunk.iter().map(|name| (*name, place.clone())));
                index += 1;
            }
        }
        places
    }

    /// The length of a group among `selected` clusters; at least 1.
    fn length(&self, selected: usize) -> usize {
        let wanted = match self.length {
            Length::Count(count) => usize::try_from(count).unwrap_or(0),
            Length::Percent(percent) => (selected * percent as usize).div_ceil(100),
        };
        if wanted == 0 || wanted > selected { selected.max(1) } else { wanted }
    }
}
