//! A Rust file as rules look at it: its lines, which of them are tests, its functions. No rule.

use std::collections::BTreeSet;
use std::path::Path;

use crate::lexer::{Literal, lex};
use crate::tree::{self, Entry};

/// A Rust file.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) place: String,
    pub(crate) text: String,
    /// Without comments and the insides of strings, line for line.
    pub(crate) code: Vec<String>,
    pub(crate) strings: Vec<Literal>,
    /// For each line whether it is part of a test.
    pub(crate) tests: Vec<bool>,
    pub(crate) functions: Vec<Function>,
}

/// A function with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// First and last line, from 1.
    pub(crate) first: usize,
    pub(crate) last: usize,
    /// The code of the body.
    pub(crate) body: String,
    /// Marked as a test, by `#[test]` or an attribute that ends so.
    pub(crate) test: bool,
    /// It says itself that it runs on a paused clock.
    pub(crate) paused: bool,
}

/// Every Rust file below `root`, with the files that only tests compile marked as such.
pub(crate) fn all(root: &Path) -> Vec<Source> {
    let mut sources: Vec<Source> = tree::rust(root).iter().map(Source::read).collect();
    let only_in_tests: BTreeSet<String> = sources.iter().flat_map(Source::test_modules).collect();
    for source in &mut sources {
        if only_in_tests.contains(&source.place) {
            source.tests.fill(true);
        }
    }
    sources
}

impl Source {
    pub(crate) fn read(entry: &Entry) -> Self {
        Self::of(&entry.place, entry.text())
    }

    /// The files that `mod` lines under `#[cfg(test)]` mean.
    fn test_modules(&self) -> Vec<String> {
        let pairs = self.code.iter().zip(self.code.iter().skip(1));
        let named = pairs.filter(|(above, _)| above.trim() == "#[cfg(test)]");
        named.filter_map(|(_, line)| module(line)).flat_map(|name| self.files_of(name)).collect()
    }

    /// The files in which a module that this file declares may lie.
    pub(crate) fn files_of(&self, module: &str) -> Vec<String> {
        let (folder, file) = self.place.rsplit_once('/').unwrap_or(("", &self.place));
        let stem = file.trim_end_matches(".rs");
        let root = ["lib", "main", "mod", "build"].contains(&stem);
        let mut homes = vec![format!("{folder}/{stem}")];
        // A file directly in `tests` or `bin` is a root of its own, whatever it is called.
        if root || folder.ends_with("/tests") || folder.ends_with("/bin") {
            homes.push(folder.to_owned());
        }
        let files =
            |home: &String| [format!("{home}/{module}.rs"), format!("{home}/{module}/mod.rs")];
        homes.iter().flat_map(files).collect()
    }

    pub(crate) fn of(place: &str, text: String) -> Self {
        let lexed = lex(&text);
        let joined: String = lexed.code.iter().collect();
        let code: Vec<String> = joined.lines().map(str::to_owned).collect();
        let tests = test_lines(place, &lexed.code, code.len());
        let functions = functions(&lexed.code, &code);
        Self { place: place.to_owned(), text, code, strings: lexed.strings, tests, functions }
    }

    /// The numbers (from 1) and the code of the lines outside tests.
    pub(crate) fn served(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines(false)
    }

    /// The numbers and the code of the lines of tests.
    pub(crate) fn tested(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines(true)
    }

    fn lines(&self, tests: bool) -> impl Iterator<Item = (usize, &str)> {
        let marked = self.code.iter().zip(&self.tests).enumerate();
        marked
            .filter(move |(_, (_, test))| **test == tests)
            .map(|(at, (line, _))| (at + 1, &**line))
    }

    pub(crate) fn is_test(&self, line: usize) -> bool {
        line.checked_sub(1).and_then(|at| self.tests.get(at)).copied().unwrap_or(false)
    }
}

/// The module that a line declares without defining it.
pub(crate) fn module(line: &str) -> Option<&str> {
    let line = line.trim();
    let rest = line.strip_suffix(';')?;
    let (before, name) = rest.rsplit_once("mod ")?;
    let visible = before.is_empty() || before.starts_with("pub") || before.ends_with("] ");
    visible.then_some(name.trim().trim_start_matches("r#"))
}

/// Files that are tests as a whole: in a `tests` folder of a package, or named so.
fn is_test_file(place: &str) -> bool {
    let below_tests = |rest: &str| rest.contains("/tests/") || rest.ends_with("/tests.rs");
    match place.strip_prefix("tests/") {
        // What the test crates share is compiled for tests only.
        Some(_) => !place.starts_with("tests/architecture/src/"),
        None => below_tests(&format!("/{place}")),
    }
}

fn test_lines(place: &str, code: &[char], count: usize) -> Vec<bool> {
    let mut lines = vec![is_test_file(place); count];
    let text: String = code.iter().collect();
    let at_byte: Vec<usize> = text.match_indices("#[cfg(test)]").map(|(at, _)| at).collect();
    for at in at_byte {
        let start = text[..at].chars().count();
        let first = line_of(code, start);
        let Some(open) = body_start(code, start) else { continue };
        let last = line_of(code, body_end(code, open));
        let marked = lines.iter_mut().take(last).skip(first - 1);
        marked.for_each(|line| *line = true);
    }
    lines
}

fn line_of(code: &[char], at: usize) -> usize {
    1 + code.iter().take(at).filter(|c| **c == '\n').count()
}

/// Where the braces of an item open; `None` when it ends without any.
fn body_start(code: &[char], from: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, c) in code.iter().enumerate().skip(from) {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '{' if depth == 0 => return Some(at),
            ';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

fn body_end(code: &[char], open: usize) -> usize {
    let mut depth = 0_i32;
    for (at, c) in code.iter().enumerate().skip(open) {
        depth += i32::from(*c == '{') - i32::from(*c == '}');
        if depth == 0 {
            return at;
        }
    }
    code.len()
}

fn functions(code: &[char], lines: &[String]) -> Vec<Function> {
    let mut found = Vec::new();
    for start in keyword(code, "fn") {
        let mut rest = code[start + 2..].iter().skip_while(|c| c.is_whitespace()).peekable();
        let mut name = String::new();
        while let Some(c) = rest.next_if(|c| c.is_alphanumeric() || "_#".contains(**c)) {
            name.push(*c);
        }
        let Some(open) = body_start(code, start).filter(|_| !name.is_empty()) else { continue };
        let end = body_end(code, open);
        let first = line_of(code, start);
        let body: String = code[open..end.min(code.len())].iter().collect();
        found.push(Function {
            name,
            first,
            last: line_of(code, end),
            test: attributes(lines, first).any(is_test_attribute),
            paused: body.contains("paused")
                || attributes(lines, first).any(|line| line.contains("paused")),
            body,
        });
    }
    found
}

/// Where a word stands alone.
fn keyword(code: &[char], word: &str) -> Vec<usize> {
    let word: Vec<char> = word.chars().collect();
    let joins = |c: Option<&char>| c.is_some_and(|c| c.is_alphanumeric() || *c == '_');
    let alone = |at: usize| {
        let before = at.checked_sub(1).and_then(|at| code.get(at));
        !joins(before) && !joins(code.get(at + word.len())) && before != Some(&'#')
    };
    let windows = code.windows(word.len()).enumerate();
    windows.filter(|(at, window)| **window == *word && alone(*at)).map(|(at, _)| at).collect()
}

/// The attribute lines right above a line.
fn attributes(lines: &[String], line: usize) -> impl Iterator<Item = &str> {
    let above = lines.iter().take(line - 1).rev().map(|line| line.trim());
    above.take_while(|line| line.is_empty() || line.starts_with("#[") || line.ends_with(")]"))
}

fn is_test_attribute(line: &str) -> bool {
    let inner = line.strip_prefix("#[").unwrap_or_default();
    let path = inner.split(['(', ']']).next().unwrap_or_default();
    path == "test" || path.ends_with("::test")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "//! x
fn a(f: fn(u8) -> u8) -> u8 {
    f(1)
}

#[cfg(test)]
mod tests {
    #[tokio::test(start_paused = true)]
    async fn b() {}
}
const C: u8 = 1;
";

    #[test]
    fn functions_and_test_lines_are_found() {
        let source = Source::of("x/src/lib.rs", TEXT.to_owned());
        let found: Vec<_> = source.functions.iter().map(|f| (&*f.name, f.first, f.last)).collect();
        assert_eq!(found, [("a", 2, 4), ("b", 9, 9)]);
        assert_eq!(source.functions.iter().map(|f| f.test).collect::<Vec<_>>(), [false, true]);
        assert_eq!(source.tested().map(|(line, _)| line).collect::<Vec<_>>(), [6, 7, 8, 9, 10]);
    }

    #[test]
    fn a_file_of_tests_is_all_tests() {
        assert!(is_test_file("services/bus/tests/contract/log.rs"));
        assert!(is_test_file("services/bus/src/memory/tests.rs"));
        assert!(is_test_file("tests/simulation/src/world.rs"));
        assert!(!is_test_file("services/bus/src/lib.rs"));
    }
}
