//! Kubernetes' label selectors, from `kubectl -l` text and from the `LabelSelector` message, and
//! the rules for keys and values of labels.

use fleetlog_messages::common::{LabelSelector, LabelSelectorRequirement};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Labels, or anything else that is keys with values (claims).
pub type Labels = BTreeMap<String, String>;

/// Why a selector cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// The operator is none of In, NotIn, Exists, DoesNotExist.
    #[error("\"{0}\" is not a valid label selector operator")]
    Operator(String),
    /// In and NotIn need values, Exists and DoesNotExist take none.
    #[error("the operator \"{operator}\" on \"{key}\" {rule}")]
    Values {
        /// The key.
        key: String,
        /// The operator.
        operator: String,
        /// What it asks of the values.
        rule: &'static str,
    },
    /// A key or value that no label can have.
    #[error("{0}")]
    Label(LabelError),
    /// The text is no selector.
    #[error("\"{text}\" is not a label selector: {rule}")]
    Text {
        /// What was given.
        text: String,
        /// What is wrong with it.
        rule: &'static str,
    },
}

/// A key or a value that Kubernetes refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a valid label {what}")]
pub struct LabelError {
    /// What was given.
    pub text: String,
    /// `key` or `value`.
    pub what: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Exists,
    DoesNotExist,
    Above(i64),
    Below(i64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

impl Requirement {
    fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        let number = || value.and_then(|v| v.parse::<i64>().ok());
        match &self.test {
            Test::In(values) => value.is_some_and(|v| values.contains(v)),
            Test::NotIn(values) => !value.is_some_and(|v| values.contains(v)),
            Test::Exists => value.is_some(),
            Test::DoesNotExist => value.is_none(),
            Test::Above(bound) => number().is_some_and(|n| n > *bound),
            Test::Below(bound) => number().is_some_and(|n| n < *bound),
        }
    }
}

/// A selector, checked; all of its requirements must hold, so the empty one matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(Vec<Requirement>);

impl Selector {
    /// Reads the message form.
    ///
    /// # Errors
    /// The first requirement that is none.
    pub fn of(selector: &LabelSelector) -> Result<Self, SelectorError> {
        let mut all = Vec::new();
        for (key, value) in &selector.match_labels {
            check_key(key).and_then(|()| check_value(value)).map_err(SelectorError::Label)?;
            all.push(Requirement { key: key.clone(), test: Test::In([value.clone()].into()) });
        }
        let expressions = Self::of_requirements(&selector.match_expressions)?;
        all.extend(expressions.0);
        Ok(Self(all))
    }

    /// Reads requirements alone, as claim selectors have them.
    ///
    /// # Errors
    /// The first requirement that is none.
    pub fn of_requirements(given: &[LabelSelectorRequirement]) -> Result<Self, SelectorError> {
        given.iter().map(requirement).collect::<Result<_, _>>().map(Self)
    }

    /// Reads `kubectl -l` text: `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1`.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        split(text)
            .map(|part| parse_requirement(text, part.trim()))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether every requirement holds.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|requirement| requirement.matches(labels))
    }

    /// The first requirement that does not hold, as `kubectl -l` takes it, with its key.
    #[must_use]
    pub fn unmet(&self, labels: &Labels) -> Option<(String, &str)> {
        let unmet = self.0.iter().find(|requirement| !requirement.matches(labels))?;
        Some((unmet.to_string(), &unmet.key))
    }

    /// The values that a matching key must have one of: by each requirement that says so.
    pub fn pinned(&self) -> impl Iterator<Item = (&str, &BTreeSet<String>)> {
        self.0.iter().filter_map(|requirement| match &requirement.test {
            Test::In(values) => Some((requirement.key.as_str(), values)),
            _ => None,
        })
    }

    /// Whether it asks for nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        let list = |values: &BTreeSet<String>| {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            values.join(",")
        };
        match &self.test {
            Test::In(values) if values.len() == 1 => write!(f, "{key}={}", list(values)),
            Test::In(values) => write!(f, "{key} in ({})", list(values)),
            Test::NotIn(values) if values.len() == 1 => write!(f, "{key}!={}", list(values)),
            Test::NotIn(values) => write!(f, "{key} notin ({})", list(values)),
            Test::Exists => f.write_str(key),
            Test::DoesNotExist => write!(f, "!{key}"),
            Test::Above(bound) => write!(f, "{key}>{bound}"),
            Test::Below(bound) => write!(f, "{key}<{bound}"),
        }
    }
}

impl fmt::Display for Selector {
    /// As `kubectl -l` takes it; [`Selector::parse`] reads it back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{requirement}")?;
        }
        Ok(())
    }
}

/// Splits at commas outside parentheses.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    text.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth <= 0
    })
}

fn requirement(given: &LabelSelectorRequirement) -> Result<Requirement, SelectorError> {
    let key = given.key.clone().unwrap_or_default();
    let operator = given.operator.clone().unwrap_or_default();
    check_key(&key).map_err(SelectorError::Label)?;
    let values: BTreeSet<String> = given.values.iter().cloned().collect();
    let none = values.is_empty();
    let wrong =
        |rule| Err(SelectorError::Values { key: key.clone(), operator: operator.clone(), rule });
    let test = match operator.as_str() {
        "In" | "NotIn" if none => return wrong("needs at least one value"),
        "Exists" | "DoesNotExist" if !none => return wrong("takes no values"),
        "In" => Test::In(checked(values)?),
        "NotIn" => Test::NotIn(checked(values)?),
        "Exists" => Test::Exists,
        "DoesNotExist" => Test::DoesNotExist,
        _ => return Err(SelectorError::Operator(operator)),
    };
    Ok(Requirement { key, test })
}

fn checked(values: BTreeSet<String>) -> Result<BTreeSet<String>, SelectorError> {
    values.iter().try_for_each(|v| check_value(v)).map_err(SelectorError::Label)?;
    Ok(values)
}

fn parse_requirement(text: &str, part: &str) -> Result<Requirement, SelectorError> {
    let wrong = |rule| SelectorError::Text { text: text.to_owned(), rule };
    let made = |key: &str, test| {
        check_key(key.trim()).map_err(SelectorError::Label)?;
        Ok(Requirement { key: key.trim().to_owned(), test })
    };
    let one = |value: &str| checked([value.trim().to_owned()].into());
    if part.is_empty() {
        return Err(wrong("a requirement is empty"));
    }
    if let Some((key, list)) = part.split_once('(') {
        let list = list.strip_suffix(')').ok_or_else(|| wrong("a parenthesis is not closed"))?;
        let values = checked(list.split(',').map(|v| v.trim().to_owned()).collect())?;
        let (key, word) = key
            .trim()
            .rsplit_once([' ', '\t'])
            .ok_or_else(|| wrong("before a list stands a key and \"in\" or \"notin\""))?;
        return match word {
            "in" => made(key, Test::In(values)),
            "notin" => made(key, Test::NotIn(values)),
            _ => Err(wrong("before a list stands \"in\" or \"notin\"")),
        };
    }
    if let Some((key, value)) = part.split_once("!=") {
        return made(key, Test::NotIn(one(value)?));
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return made(key, Test::In(one(value)?));
    }
    if let Some((key, value)) = part.split_once('>').or_else(|| part.split_once('<')) {
        let bound =
            value.trim().parse().map_err(|_| wrong("after \">\" and \"<\" stands a number"))?;
        return made(key, if part.contains('>') { Test::Above(bound) } else { Test::Below(bound) });
    }
    match part.strip_prefix('!') {
        Some(key) => made(key, Test::DoesNotExist),
        None => made(part, Test::Exists),
    }
}

/// Checks a label's key: an optional DNS-1123 prefix and `/`, then a name of 1 to 63 characters.
///
/// # Errors
/// The key, when it is none.
pub fn check_key(key: &str) -> Result<(), LabelError> {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(p, n)| (Some(p), n));
    let prefixed = prefix.is_none_or(|p| fleetlog_kernel::dns_subdomain(p).is_ok());
    if prefixed && !name.is_empty() && word(name) {
        Ok(())
    } else {
        Err(LabelError { text: key.to_owned(), what: "key" })
    }
}

/// Checks a label's value: empty, or 1 to 63 characters of the name form.
///
/// # Errors
/// The value, when it is none.
pub fn check_value(value: &str) -> Result<(), LabelError> {
    if value.is_empty() || word(value) {
        Ok(())
    } else {
        Err(LabelError { text: value.to_owned(), what: "value" })
    }
}

/// Checks every key and value.
///
/// # Errors
/// The first that no label can have.
pub fn check(labels: &Labels) -> Result<(), LabelError> {
    labels.iter().try_for_each(|(key, value)| check_key(key).and_then(|()| check_value(value)))
}

fn word(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    text.len() <= 63
        && text.starts_with(edge)
        && text.ends_with(edge)
        && text.chars().all(|c| edge(c) || matches!(c, '-' | '_' | '.'))
}
