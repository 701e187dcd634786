//! What a rule reports: which rule, where, what. Judges nothing.

use std::fmt;

/// One place that breaks one rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offence {
    /// The rule, in a word.
    pub rule: &'static str,
    /// The file or package, relative to the folder that was checked.
    pub place: String,
    /// The line, when there is one; counted from 1.
    pub line: Option<usize>,
    /// What is wrong there.
    pub what: String,
}

impl Offence {
    /// An offence of a whole file, folder or package.
    pub(crate) fn of(
        rule: &'static str,
        place: impl Into<String>,
        what: impl Into<String>,
    ) -> Self {
        Self { rule, place: place.into(), line: None, what: what.into() }
    }

    /// An offence on one line.
    pub(crate) fn at(
        rule: &'static str,
        place: impl Into<String>,
        line: usize,
        what: impl Into<String>,
    ) -> Self {
        Self { rule, place: place.into(), line: Some(line), what: what.into() }
    }
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}: {}:{line}: {}", self.rule, self.place, self.what),
            None => write!(f, "{}: {}: {}", self.rule, self.place, self.what),
        }
    }
}
