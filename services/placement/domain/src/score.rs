//! How clusters that fit are ordered: Balance and Steady (spec, registration and placement,
//! section 22). The highest total first; ties by name, so that the order is always the same.

use crate::plan::Weights;
use std::collections::BTreeMap;

/// The best score of one prioritizer; the worst is its negative.
pub const BEST: i64 = 100;

/// How many decisions of other placements each cluster is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load<'a> {
    counts: BTreeMap<&'a str, u64>,
    most: u64,
}

impl<'a> Load<'a> {
    /// Of these counts.
    pub fn of(counts: impl IntoIterator<Item = (&'a str, u64)>) -> Self {
        let counts: BTreeMap<_, _> = counts.into_iter().filter(|(_, n)| *n > 0).collect();
        let most = counts.values().copied().max().unwrap_or(0);
        Self { counts, most }
    }

    /// `2 x trunc(100 x (0.5 - n / most))`; 100 where no decision is.
    fn balance(&self, cluster: &str) -> i64 {
        let n = self.counts.get(cluster).copied().unwrap_or(0);
        if n == 0 {
            return BEST;
        }
        let (n, most) = (i128::from(n), i128::from(self.most));
        // In whole numbers: 100 x (0.5 - n/most) = (100 x most - 200 x n) / (2 x most).
        let half = (100 * most - 200 * n) / (2 * most);
        i64::try_from(2 * half).unwrap_or(-BEST)
    }
}

/// The total of one cluster.
#[must_use]
pub fn total(weights: Weights, load: &Load<'_>, cluster: &str, chosen: bool) -> i64 {
    let balance = if weights.balance == 0 { 0 } else { load.balance(cluster) };
    let steady = if chosen { BEST } else { 0 };
    weights.balance * balance + weights.steady * steady
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balance(counts: &[(&'static str, u64)], cluster: &str) -> i64 {
        Load::of(counts.iter().copied()).balance(cluster)
    }

    #[test]
    fn balance_has_ocms_figures() {
        let one = [("c1", 2), ("c2", 1), ("c3", 1)];
        assert_eq!(["c1", "c2", "c3"].map(|c| balance(&one, c)), [-100, 0, 0]);
        assert_eq!(balance(&[("c1", 3), ("c2", 1)], "c2"), 32);
        assert_eq!(balance(&[("c1", 1)], "c2"), 100);
        assert_eq!(balance(&[], "c1"), 100);
    }
}
