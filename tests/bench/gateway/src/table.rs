//! The figures as a table for people, in the columns of `RESULTS.md`.

use crate::figure::{Better, Figure};

/// A table in Markdown, one line for each figure.
#[must_use]
pub fn of(figures: &[Figure]) -> String {
    let head = "| figure | value | goal | baseline | setting |\n|---|---|---|---|---|\n".to_owned();
    figures.iter().fold(head, |table, figure| table + &line(figure))
}

fn line(figure: &Figure) -> String {
    let Figure { name, value, unit, n, setting, .. } = figure;
    let goal = figure.goal.map_or_else(String::new, |goal| {
        let sign = if figure.better == Better::Lower { "<=" } else { ">=" };
        format!("{sign} {goal}{}", if figure.met { "" } else { " **missed**" })
    });
    let baseline = figure.baseline.map_or_else(String::new, |base| format!("{base:.2}"));
    format!("| `{name}` | {value:.2} {unit} | {goal} | {baseline} | n={n}; {setting} |\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_was_missed() {
        let figure = Figure::new("x_s", 2.5, "s", Better::Lower).measured(3, "so").wanted(2.0);
        let wanted = "| `x_s` | 2.50 s | <= 2 **missed** |  | n=3; so |\n";
        assert!(of(&[figure]).ends_with(wanted));
    }
}
