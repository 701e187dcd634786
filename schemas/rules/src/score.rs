//! Scores of add-ons: how a measure of any range becomes one.

/// A measure between its bounds as a score from -100 to 100, towards zero. Above the upper bound it
/// is 100; at the lower one, below it, or no number, -100 (OCM's helper for score producers).
#[must_use]
#[allow(clippy::cast_possible_truncation, reason = "the range is -100 to 100")]
pub fn normalized(value: f64, min: f64, max: f64) -> i32 {
    if value > max {
        return 100;
    }
    if value > min { (200.0 * (value - min) / (max - min) - 100.0).trunc() as i32 } else { -100 }
}
