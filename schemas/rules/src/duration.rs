//! Go's durations (`1h30m`, `1.5s`, `-300ms`), read and written as Go does.

use std::fmt;

/// A signed duration in nanoseconds, about 292 years either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoDuration(i64);

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a duration; write it as \"90s\", \"1h30m\" or \"300ms\"")]
pub struct DurationError(String);

const UNITS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

impl GoDuration {
    /// Reads Go's text form.
    ///
    /// # Errors
    /// The text, when it is none or too long a time.
    pub fn parse(text: &str) -> Result<Self, DurationError> {
        let bad = || DurationError(text.to_owned());
        let (sign, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(bad());
        }
        let mut total: i128 = 0;
        while !rest.is_empty() {
            let (nanos, after) = part(rest).ok_or_else(bad)?;
            total = total.checked_add(nanos).ok_or_else(bad)?;
            rest = after;
        }
        i64::try_from(sign * total).map(Self).map_err(|_| bad())
    }

    /// The nanoseconds.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }
}

/// One number with its unit: its nanoseconds and what follows it.
fn part(text: &str) -> Option<(i128, &str)> {
    let digits = |s: &str| s.find(|c: char| !c.is_ascii_digit()).unwrap_or(s.len());
    let (whole, mut rest) = text.split_at(digits(text));
    let mut fraction = "";
    if let Some(after) = rest.strip_prefix('.') {
        (fraction, rest) = after.split_at(digits(after));
    }
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    let scale = UNITS.iter().find(|(name, _)| *name == unit)?.1;
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut nanos = whole.checked_mul(scale)?;
    let mut place = scale;
    for digit in fraction.bytes().take(18) {
        place /= 10;
        nanos = nanos.checked_add(i128::from(digit - b'0') * place)?;
    }
    Some((nanos, rest))
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let fraction = |f: &mut fmt::Formatter<'_>, value: u64, scale: u64, unit: &str| {
            let width = scale.ilog10() as usize;
            let rest = format!("{:0width$}", value % scale);
            let rest = if scale == 1 { "" } else { rest.trim_end_matches('0') };
            let point = if rest.is_empty() { "" } else { "." };
            write!(f, "{}{point}{rest}{unit}", value / scale)
        };
        match nanos {
            1..1_000 => return fraction(f, nanos, 1, "ns"),
            1_000..1_000_000 => return fraction(f, nanos, 1_000, "\u{b5}s"),
            1_000_000..1_000_000_000 => return fraction(f, nanos, 1_000_000, "ms"),
            _ => {}
        }
        let minutes = nanos / 60_000_000_000;
        if minutes >= 60 {
            write!(f, "{}h", minutes / 60)?;
        }
        if minutes > 0 {
            write!(f, "{}m", minutes % 60)?;
        }
        fraction(f, nanos % 60_000_000_000, 1_000_000_000, "s")
    }
}
