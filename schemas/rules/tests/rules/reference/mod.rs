//! A rollout, plain and slow: each sentence of the behaviour in turn, over lists of pairs.

use fleetlog_kernel::Timestamp;
use fleetlog_rules::rollout::{
    Group, Kind, Mandatory, Rollout, Size, Standing, Status, Strategy as Rules,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// The status as the deadline leaves it, and when it changes.
fn now_is(
    rules: &Rules,
    standing: Option<&Standing>,
    now: Timestamp,
) -> (Status, bool, Option<Duration>) {
    let Some(standing) = standing else { return (Status::ToApply, false, None) };
    let passed = now.since(standing.since.unwrap_or(now));
    match (standing.status, rules.progress_deadline) {
        (Status::Progressing | Status::Failed, Some(deadline)) if passed >= deadline => {
            (Status::TimeOut, true, None)
        }
        (status @ (Status::Progressing | Status::Failed), Some(deadline)) => {
            (status, false, Some(deadline - passed))
        }
        (Status::Succeeded, _) if rules.kind != Kind::All && passed < rules.min_success_time => {
            (Status::Succeeded, true, Some(rules.min_success_time - passed))
        }
        (status, _) => (status, false, None),
    }
}

fn share(size: Size, total: usize, usual: usize) -> usize {
    let exact = match size {
        Size::Count(count) => count as f64,
        Size::Percent(percent) => (f64::from(percent) * total as f64 / 100.0).ceil(),
    };
    if exact <= 0.0 || exact > total as f64 { usual } else { exact as usize }
}

/// The clusters as they are now.
struct Fleet<'a> {
    rules: &'a Rules,
    known: &'a BTreeMap<String, Standing>,
    now: Timestamp,
    groups: Vec<Group>,
    names: Vec<String>,
}

impl Fleet<'_> {
    fn of(&self, name: &str) -> (Status, bool, Option<Duration>) {
        now_is(self.rules, self.known.get(name), self.now)
    }

    fn soaks(&self, name: &str) -> bool {
        self.of(name).0 == Status::Succeeded && self.of(name).1
    }

    fn failed(&self, name: &str) -> bool {
        matches!(self.of(name).0, Status::Failed | Status::TimeOut)
    }

    fn busy(&self, name: &str) -> bool {
        matches!(self.of(name).0, Status::Progressing | Status::Failed) || self.soaks(name)
    }

    fn fresh(&self, name: &str) -> bool {
        self.of(name).0 == Status::ToApply
    }

    fn open(&self, name: &str) -> bool {
        self.fresh(name) || self.of(name).0 == Status::Progressing || self.soaks(name)
    }

    fn first(&self, group: &Group) -> bool {
        self.rules.mandatory.contains(&Mandatory::Index(group.index))
            || self.rules.mandatory.contains(&Mandatory::Name(group.name.clone()))
    }

    fn failures(&self, of: &[String]) -> usize {
        of.iter().filter(|name| self.failed(name)).count()
    }

    fn fresh_of(&self, of: Vec<String>) -> Vec<String> {
        of.into_iter().filter(|name| self.fresh(name)).collect()
    }

    /// Who starts, and whether too many failed.
    fn starts(&self) -> (Vec<String>, bool) {
        if self.rules.kind == Kind::All {
            return (self.fresh_of(self.names.clone()), false);
        }
        for group in self.groups.iter().filter(|group| self.first(group)) {
            let members: Vec<String> = group.clusters.iter().cloned().collect();
            if members.iter().any(|name| self.failed(name)) {
                return (vec![], true);
            }
            if members.iter().any(|name| self.open(name)) {
                return (self.fresh_of(members), false);
            }
        }
        let rest: Vec<&Group> = self.groups.iter().filter(|group| !self.first(group)).collect();
        if self.rules.kind == Kind::Progressive { self.some(&rest) } else { self.groups(&rest) }
    }

    fn some(&self, rest: &[&Group]) -> (Vec<String>, bool) {
        if self.failures(&self.names) > share(self.rules.max_failures, self.names.len(), 0) {
            return (vec![], true);
        }
        let mut left: Vec<String> = rest.iter().flat_map(|g| g.clusters.clone()).collect();
        left.sort();
        let all = left.len();
        let slots = self.rules.max_concurrency.map_or(all, |size| share(size, all, all));
        let mut used = self.names.iter().filter(|name| self.busy(name)).count();
        let mut starts = vec![];
        for name in self.fresh_of(left) {
            if used < slots {
                starts.push(name);
                used += 1;
            }
        }
        (starts, false)
    }

    fn groups(&self, rest: &[&Group]) -> (Vec<String>, bool) {
        for group in rest {
            let members: Vec<String> = group.clusters.iter().cloned().collect();
            if self.failures(&members) > share(self.rules.max_failures, members.len(), 0) {
                return (vec![], true);
            }
            if members.iter().any(|name| self.open(name)) {
                return (self.fresh_of(members), false);
            }
        }
        (vec![], false)
    }
}

pub fn plan(
    rules: &Rules,
    groups: &[Group],
    known: &BTreeMap<String, Standing>,
    now: Timestamp,
) -> Rollout {
    let mut groups = groups.to_vec();
    groups.sort_by_key(|group| group.index);
    let mut names: Vec<String> = groups.iter().flat_map(|g| g.clusters.clone()).collect();
    names.sort();
    let fleet = Fleet { rules, known, now, groups, names };
    let (starts, breached) = fleet.starts();
    let names = || fleet.names.iter();
    let busy = names().filter(|n| fleet.busy(n)).map(|n| (n.clone(), fleet.of(n).0));
    let starts = starts.into_iter().map(|name| (name, Status::ToApply));
    let over = |name: &String| fleet.of(name).0 == Status::TimeOut && fleet.of(name).1;
    Rollout {
        to_rollout: busy.chain(starts).collect(),
        timed_out: names().filter(|name| over(name)).cloned().collect(),
        removed: known.keys().filter(|name| !fleet.names.contains(name)).cloned().collect(),
        breached,
        recheck_after: names().filter_map(|name| fleet.of(name).2).min(),
    }
}
