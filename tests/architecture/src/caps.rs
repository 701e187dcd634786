//! Sizes: functions, files, lines (style, "Measures"). They hold for generated files too.

use std::path::Path;

use crate::offence::Offence;
use crate::source::{self, Source};

const RULE: &str = "caps";

/// The most lines of a function, of a file without its tests, and columns of a line.
const FUNCTION: usize = 70;
const FILE: usize = 500;
const LINE: usize = 100;

/// Functions, files and lines that are too long.
#[must_use]
pub fn check(root: &Path) -> Vec<Offence> {
    source::all(root).iter().flat_map(offences).collect()
}

fn offences(source: &Source) -> Vec<Offence> {
    let long = source.functions.iter().filter_map(|function| {
        let lines = function.last + 1 - function.first;
        let what =
            format!("fn {} has {lines} lines, at most {FUNCTION} are allowed", function.name);
        (lines > FUNCTION).then(|| Offence::at(RULE, &source.place, function.first, what))
    });
    let wide = source.text.lines().enumerate().filter_map(|(at, line)| {
        let columns = line.chars().count();
        let what = format!("{columns} columns, at most {LINE} are allowed");
        (columns > LINE).then(|| Offence::at(RULE, &source.place, at + 1, what))
    });
    let lines = lines_that_count(source);
    let what = format!("{lines} lines without tests, at most {FILE} are allowed");
    let file = (lines > FILE).then(|| Offence::of(RULE, &source.place, what));
    long.chain(wide).chain(file).collect()
}

/// A file that is nothing but tests counts as a whole.
fn lines_that_count(source: &Source) -> usize {
    let served = source.served().count();
    if served == 0 { source.code.len() } else { served }
}
