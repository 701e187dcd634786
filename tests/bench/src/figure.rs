//! One measured figure: its setting, its goal, and a baseline measured in the same run.

use serde::Serialize;

/// Which way is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// The smaller the better.
    Lower,
    /// The larger the better.
    Higher,
}

/// A figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// What was measured, its unit at the end.
    pub name: String,
    /// The value.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// How many measurements it comes from.
    pub n: u64,
    /// How it was measured, in words.
    pub setting: String,
    /// The same of something plain, measured in the same run.
    pub baseline: Option<f64>,
    /// The value over the baseline.
    pub ratio: Option<f64>,
    /// What it should be.
    pub goal: Option<f64>,
    /// Which way is good.
    pub better: Better,
    /// Whether the goal is met; true when there is none.
    pub met: bool,
}

impl Figure {
    /// A figure without a goal or a baseline.
    #[must_use]
    pub fn new(name: &str, value: f64, unit: &'static str, better: Better) -> Self {
        Self {
            name: name.to_owned(),
            value,
            unit,
            n: 1,
            setting: String::new(),
            baseline: None,
            ratio: None,
            goal: None,
            better,
            met: true,
        }
    }

    /// From so many measurements, made so.
    #[must_use]
    pub fn measured(self, n: u64, setting: impl Into<String>) -> Self {
        Self { n, setting: setting.into(), ..self }
    }

    /// Beside a baseline of the same run.
    #[must_use]
    pub fn against(self, baseline: f64) -> Self {
        let ratio = (baseline > 0.0).then(|| self.value / baseline);
        Self { baseline: Some(baseline), ratio, ..self }
    }

    /// With a goal; `met` follows from it.
    #[must_use]
    pub fn wanted(self, goal: f64) -> Self {
        let met = match self.better {
            Better::Lower => self.value <= goal,
            Better::Higher => self.value >= goal,
        };
        Self { goal: Some(goal), met, ..self }
    }

    /// One line for people.
    #[must_use]
    pub fn line(&self) -> String {
        let goal = self.goal.map_or_else(String::new, |goal| {
            let sign = if self.better == Better::Lower { "<=" } else { ">=" };
            format!("  goal {sign} {goal}: {}", if self.met { "met" } else { "MISSED" })
        });
        let ratio = match (self.baseline, self.ratio) {
            (Some(base), Some(ratio)) => format!("  ({ratio:.2} x the baseline {base:.2})"),
            _ => String::new(),
        };
        format!(
            "{:<24} {:>9.2} {:<4}{goal}{ratio}\n    n={}, {}",
            self.name, self.value, self.unit, self.n, self.setting
        )
    }
}

/// The middle of some measurements; 0 of none.
#[must_use]
pub fn median(measurements: &mut [f64]) -> f64 {
    measurements.sort_by(f64::total_cmp);
    measurements.get(measurements.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_a_goal_is_met_follows_from_value_goal_and_direction() {
        let figure = |value, better| Figure::new("x", value, "s", better).wanted(2.0).met;
        assert!(figure(2.0, Better::Lower));
        assert!(!figure(2.1, Better::Lower));
        assert!(figure(2.0, Better::Higher));
        assert!(!figure(1.9, Better::Higher));
    }

    #[test]
    fn the_ratio_is_value_over_baseline() {
        let figure = Figure::new("x", 3.0, "s", Better::Lower).against(2.0);
        assert_eq!(figure.ratio, Some(1.5));
        assert_eq!(Figure::new("x", 3.0, "s", Better::Lower).against(0.0).ratio, None);
    }

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut []), 0.0);
    }
}
