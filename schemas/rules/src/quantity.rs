//! Kubernetes' quantities (`100m`, `1.5Gi`, `2e3`): read, compared by value, written canonically.
//! Kept as whole nano-units; what is finer is rounded up, as Kubernetes does.

use std::fmt;

/// A quantity. Equality and order are those of the value, not of the text.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    nanos: i128,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Decimal,
    Binary,
    Exponent,
}

/// Why a text is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a quantity; write it as \"2\", \"500m\" or \"1.5Gi\"")]
pub struct QuantityError(String);

const NANO: i128 = 1_000_000_000;
const BINARY: [(&str, u32); 6] =
    [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];
/// Suffixes with their powers of ten, largest first.
const DECIMAL: [(&str, i32); 10] = [
    ("E", 18),
    ("P", 15),
    ("T", 12),
    ("G", 9),
    ("M", 6),
    ("k", 3),
    ("", 0),
    ("m", -3),
    ("u", -6),
    ("n", -9),
];

impl Quantity {
    /// Reads a quantity.
    ///
    /// # Errors
    /// The text, when it is none or too large.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        read(text).ok_or_else(|| QuantityError(text.to_owned()))
    }

    /// The value in units, as a double: for scores, not for comparing.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "scores are relative")]
    pub fn as_f64(self) -> f64 {
        self.nanos as f64 / 1e9
    }

    /// The sum, written as `self` is; too large a sum stays at the largest.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self { nanos: self.nanos.saturating_add(other.nanos), form: self.form }
    }

    /// So many units.
    #[must_use]
    pub fn of(units: i64) -> Self {
        Self { nanos: i128::from(units) * NANO, form: Form::Decimal }
    }

    /// The value in units, when it is whole and fits.
    #[must_use]
    pub fn as_i64(self) -> Option<i64> {
        if self.nanos % NANO != 0 {
            return None;
        }
        i64::try_from(self.nanos / NANO).ok()
    }

    /// The difference, written as `self` is; too large a one stays at the largest.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self { nanos: self.nanos.saturating_sub(other.nanos), form: self.form }
    }

    /// Whether it is nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.nanos == 0
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

fn read(text: &str) -> Option<Quantity> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = rest.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(rest.len());
    let (number, suffix) = rest.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    // Neither nothing nor a second point is read as digits.
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let places = i32::try_from(fraction.len()).ok()?;
    let (nanos, form) = match BINARY.iter().find(|(name, _)| *name == suffix) {
        Some((_, bits)) => {
            let scaled = digits.checked_mul(1_i128 << bits)?;
            (scale(scaled, 9 - places)?, Form::Binary)
        }
        None => {
            let (power, form) = decimal(suffix)?;
            (scale(digits, power.checked_add(9)?.checked_sub(places)?)?, form)
        }
    };
    Some(Quantity { nanos: if negative { -nanos } else { nanos }, form })
}

fn decimal(suffix: &str) -> Option<(i32, Form)> {
    if let Some((_, power)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some((*power, Form::Decimal));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    exponent.parse::<i32>().ok().map(|power| (power, Form::Exponent))
}

/// `digits` times ten to the `power`, rounded up.
fn scale(digits: i128, power: i32) -> Option<i128> {
    if digits == 0 {
        return Some(0);
    }
    if let Ok(up) = u32::try_from(power) {
        return digits.checked_mul(10_i128.checked_pow(up)?);
    }
    let Some(by) = 10_i128.checked_pow(power.unsigned_abs()) else { return Some(1) };
    Some(digits / by + i128::from(digits % by != 0))
}

impl fmt::Display for Quantity {
    /// The canonical text: no fraction, the largest suffix that leaves a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nanos, form } = *self;
        if nanos == 0 {
            return f.write_str("0");
        }
        let whole_kibi = nanos.unsigned_abs() >= 1_024 * NANO.unsigned_abs();
        if form == Form::Binary && nanos % NANO == 0 && whole_kibi {
            let units = nanos / NANO;
            let fits = |(_, bits): &&(&str, u32)| units % (1_i128 << bits) == 0;
            let (name, bits) = BINARY.iter().rev().find(fits).unwrap_or(&("", 0));
            return write!(f, "{}{name}", units >> bits);
        }
        for (name, power) in DECIMAL {
            let by = 10_i128.pow(u32::try_from(power + 9).unwrap_or(0));
            if nanos % by == 0 {
                return match (form, power) {
                    (Form::Exponent, 0) => write!(f, "{}", nanos / by),
                    (Form::Exponent, power) => write!(f, "{}e{power}", nanos / by),
                    _ => write!(f, "{}{name}", nanos / by),
                };
            }
        }
        Ok(())
    }
}
