//! Versions as tools print them: three numbers, ordered. Pre-release tags are ignored.

use std::fmt;

/// A version of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The major number.
    pub major: u32,
    /// The minor number.
    pub minor: u32,
    /// The patch number.
    pub patch: u32,
}

impl Version {
    /// A version from its three numbers.
    #[must_use]
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }

    /// The first word of `text` that reads as a version: `nats-server: v2.15.1` gives 2.15.1.
    #[must_use]
    pub fn find(text: &str) -> Option<Self> {
        text.split_whitespace().find_map(Self::read)
    }

    fn read(word: &str) -> Option<Self> {
        let word = word.strip_prefix('v').unwrap_or(word);
        let word = word.split(['-', '+']).next().unwrap_or(word);
        let mut numbers = word.split('.').map(str::parse::<u32>);
        let mut next = || numbers.next().and_then(Result::ok);
        let (major, minor) = (next()?, next()?);
        Some(Self::new(major, minor, next().unwrap_or(0)))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn a_version_is_found_in_what_a_server_prints() {
        assert_eq!(Version::find("nats-server: v2.15.1\n"), Some(Version::new(2, 15, 1)));
        assert_eq!(Version::find("etcd Version: 3.6.16"), Some(Version::new(3, 6, 16)));
        assert_eq!(Version::find("v2.16.0-RC.1"), Some(Version::new(2, 16, 0)));
        assert_eq!(Version::find("no version here"), None);
    }

    #[test]
    fn versions_are_ordered_by_number_not_by_text() {
        assert!(Version::new(2, 9, 0) < Version::new(2, 15, 0));
    }
}
