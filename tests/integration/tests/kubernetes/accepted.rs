//! The differences that are meant: a path, a kind and a reason a line. None of them is of all
//! kinds, and none stays that nothing differs by.

use crate::answer::Difference;

/// How many there may be.
const MOST: usize = 40;

/// One line.
struct Accepted {
    path: String,
    kind: String,
    used: bool,
}

/// All of them.
pub struct Acceptance(Vec<Accepted>);

impl Acceptance {
    /// Reads the file.
    pub fn read(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let accepted = lines.map(|line| {
            let mut words = line.splitn(3, ' ');
            let (path, kind, reason) = (words.next(), words.next(), words.next());
            assert!(reason.is_some_and(|reason| reason.len() > 9), "no reason: {line}");
            let (path, kind) = (path.unwrap().to_owned(), kind.unwrap().to_owned());
            assert!(!kind.contains('*') && path != "$" && path != "$.body", "too wide: {line}");
            Accepted { path, kind, used: false }
        });
        let all: Vec<Accepted> = accepted.collect();
        assert!(all.len() <= MOST, "{} differences are accepted, {MOST} may be", all.len());
        Self(all)
    }

    /// Whether a difference in an answer about a kind is meant.
    pub fn takes(&mut self, kind: &str, difference: &Difference) -> bool {
        let path = format!("$.{}", difference.path);
        let is_in = |whole: &str| {
            path.strip_prefix(whole).is_some_and(|rest| {
                rest.is_empty() || rest.starts_with('.') || rest.starts_with('[')
            })
        };
        let mut found = self.0.iter_mut().filter(|one| one.kind == kind && is_in(&one.path));
        let Some(one) = found.next() else { return false };
        one.used = true;
        true
    }

    /// The lines that nothing differed by.
    pub fn unused(&self) -> Vec<String> {
        let unused = self.0.iter().filter(|one| !one.used);
        unused.map(|one| format!("{} {}", one.path, one.kind)).collect()
    }
}
