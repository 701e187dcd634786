//! What expressions cost, from a file: an expression that was admitted once must not be refused
//! one day, so that a bound changes on purpose or not at all.

use fleetlog_rules::cel::compile;

/// On each line the bound on the steps, a blank, and the expression; `-` is too costly or unfit.
const COSTS: &str = include_str!("costs.txt");

#[test]
fn every_expression_costs_what_it_did() {
    let mut other = vec![];
    for line in COSTS.lines() {
        let (_, text) = line.split_once(' ').unwrap();
        let cost = compile(text).map_or_else(|_| "-".to_owned(), |p| p.cost().to_string());
        let now = format!("{cost} {text}");
        if now != line {
            other.push(now);
        }
    }
    assert!(other.is_empty(), "these cost something else now:\n{}", other.join("\n"));
    assert!(COSTS.lines().count() > 100);
}
