//! The bound against the truth: every part of a random expression is counted as it is evaluated.

use super::*;
use crate::cel::calls::{ROWS, Takes};
use ::cel::common::ast::{CallExpr, EntryExpr, Expr, operators as op};
use ::cel::common::types::DYN_TYPE;
use ::cel::{Env, ExecutionError};
use fleetlog_messages::common::ObjectMeta;
use fleetlog_messages::placement::AddOnPlacementScoreItem;
use fleetlog_messages::registration::{ManagedCluster, ManagedClusterClaim, ManagedClusterStatus};
use proptest::prelude::*;
use std::cell::Cell;
use std::sync::{Arc, LazyLock};

const TICK: &str = "tick";

fn subject(entries: usize) -> Subject {
    let name = |n: usize| format!("n{n}");
    let labels = (0..entries).map(|n| (name(n), "x".repeat(n % 50))).collect();
    let metadata = ObjectMeta { name: Some(name(1)), labels, ..ObjectMeta::default() };
    let claim = |n| ManagedClusterClaim { name: Some(name(n)), value: Some("v".repeat(n % 90)) };
    let cluster_claims = (0..entries).map(claim).collect();
    let status = ManagedClusterStatus { cluster_claims, ..ManagedClusterStatus::default() };
    let score = |n| AddOnPlacementScoreItem { name: Some(name(n)), value: Some(n as i32) };
    let scores: Vec<AddOnPlacementScoreItem> = (0..entries).map(score).collect();
    let (metadata, status) = (Some(metadata), Some(status));
    let cluster = ManagedCluster { metadata, status, ..ManagedCluster::default() };
    Subject::new(&cluster).with_scores("s", &scores)
}

/// Every part that is a value of its own becomes the argument of a call that counts.
fn counted(expr: &mut IdedExpr) {
    match &mut expr.expr {
        Expr::Call(call) => {
            if let Some(target) = &mut call.target {
                counted(target);
            }
            call.args.iter_mut().for_each(counted);
        }
        Expr::Comprehension(of) => {
            counted(&mut of.iter_range);
            let Expr::Call(step) = &mut of.loop_step.expr else { return };
            match step.func_name.as_str() {
                op::LOGICAL_AND | op::LOGICAL_OR => counted(&mut step.args[1]),
                op::CONDITIONAL => {
                    counted(&mut step.args[0]);
                    appended(&mut step.args[1]);
                }
                _ => appended(&mut of.loop_step),
            }
        }
        Expr::List(list) => list.elements.iter_mut().for_each(counted),
        Expr::Map(map) => map.entries.iter_mut().for_each(|entry| {
            if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                counted(&mut entry.value);
            }
        }),
        Expr::Select(select) if !select.test => counted(&mut select.operand),
        _ => {}
    }
    let inner = std::mem::take(expr);
    let args = vec![inner];
    expr.expr = Expr::Call(CallExpr { func_name: TICK.to_owned(), target: None, args });
}

fn appended(step: &mut IdedExpr) {
    let Expr::Call(add) = &mut step.expr else { return };
    if let Some(IdedExpr { expr: Expr::List(items), .. }) = add.args.get_mut(1) {
        items.elements.iter_mut().for_each(counted);
    }
}

thread_local! {
    static STEPS: Cell<u64> = const { Cell::new(0) };
}

fn tick<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    STEPS.set(STEPS.get() + 1);
    args.pop().ok_or_else(ExecutionError::missing_argument_or_target)
}

static COUNTING: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    env::declare(&mut env).unwrap();
    env.add_overload(TICK, TICK, vec![DYN_TYPE], tick).unwrap();
    Arc::new(env)
});

/// How many parts are evaluated; the answer is the same as uncounted.
fn steps(program: &Program, subject: &Subject) -> u64 {
    let mut expr = program.expr.clone();
    counted(&mut expr);
    let scope = Scope { subject, patterns: &program.patterns };
    let mut context = Context::with_env(COUNTING.clone());
    context.set_variable_resolver(&scope);
    STEPS.set(0);
    let answer = Value::resolve_val(&expr, &context).ok();
    let answer = answer.and_then(|answer| Some(*answer.downcast_ref::<CelBool>()?.inner()));
    if let Ok(plain) = program.matches(subject) {
        assert_eq!(answer, Some(plain));
    }
    STEPS.get()
}

#[test]
fn an_input_is_within_sizes_that_it_exceeds_in_nothing() {
    let least = Sizes { items: 1, text: 1, weight: 1 };
    assert!(least.within(&least) && USUAL.within(&USUAL) && Sizes::default().within(&least));
    for more in [Sizes { items: 2, ..least }, Sizes { text: 2, ..least }] {
        assert!(!more.within(&least) && more.within(&USUAL), "{more:?}");
    }
    assert!(!Sizes { weight: 2, ..least }.within(&least));
}

#[test]
fn steps_are_counted_part_by_part() {
    let program = compile("[1, 2, 3].exists(x, x == 3)").unwrap();
    assert_eq!(steps(&program, &subject(1)), 14, "1 range, 3 entries, 3 times 3 parts, 1 result");
}

/// A value for each parameter.
fn sample(takes: Takes) -> &'static str {
    match takes {
        Takes::Any | Takes::Int => "1",
        Takes::Bool => "true",
        Takes::Uint => "1u",
        Takes::Double => "1.5",
        Takes::Text | Takes::Pattern => "'1.2.3'",
        Takes::Bytes => "b'a'",
        Takes::List => "[1]",
        Takes::Map => "managedCluster",
        Takes::Semver => "semver('1.2.3')",
        Takes::Quantity => "quantity('1')",
        Takes::Ip => "ip('1.2.3.4')",
        Takes::Cidr => "cidr('1.2.3.4/8')",
        Takes::Url => "url('http://h')",
        Takes::Optional => "optional.of(1)",
    }
}

#[test]
fn every_row_of_the_table_is_a_function_of_the_environment() {
    assert!(env::ENV.1, "two functions of one signature");
    for row in ROWS {
        let mut args: Vec<&str> = row.takes.iter().map(|takes| sample(*takes)).collect();
        let target = if row.member { format!("{}.", args.remove(0)) } else { String::new() };
        let call = format!("{target}{}({})", row.name, args.join(", "));
        let program = compile(&format!("[{call}].size() == 1")).unwrap();
        match program.matches(&subject(2)) {
            Ok(answer) => assert!(answer, "{call}"),
            Err(Problem::NoAnswer(why)) => {
                let unknown = why.contains("overload") || why.contains("Undeclared");
                assert!(!unknown, "{call}: {why}");
            }
            Err(other) => panic!("{call}: {other}"),
        }
    }
}

fn flag() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "true",
        "managedCluster.metadata.name == 'n1'",
        "has(managedCluster.metadata.labels.n3)",
        "'n1' in managedCluster.metadata.labels",
        "managedCluster.metadata.labels.n1.matches('x+')",
        "managedCluster.metadata.labels['none'] == ''",
        "managedCluster.scores('s')[0].value > 1",
    ]);
    let leaf = leaf.prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, |inner| {
        let range = prop::sample::select(vec![
            "managedCluster.metadata.labels",
            "managedCluster.status.clusterClaims",
            "managedCluster.scores('s')",
            "[1, 2, 3]",
            "['a', managedCluster.metadata.name]",
            "managedCluster.status.clusterClaims.map(c, c.value + c.name)",
            "managedCluster.status.clusterClaims.filter(c, c.name != 'n2')",
            "managedCluster.metadata.name.split('')",
        ]);
        let of = prop::sample::select(vec!["all", "exists", "exists_one"]);
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            inner.clone().prop_map(|a| format!("!{a}")),
            (range.clone(), of, inner.clone())
                .prop_map(|(range, of, body)| format!("{range}.{of}(v, {body} || v == v)")),
            (range.clone(), inner.clone())
                .prop_map(|(range, body)| format!("{range}.filter(v, {body}).size() > 1")),
            (range, inner)
                .prop_map(|(range, body)| format!("{range}.map(v, [{body}, true])[0][0]")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_evaluation_takes_more_steps_than_its_bound(text in flag(), entries in 0_usize..64) {
        if let Ok(program) = compile(&text) {
            let steps = steps(&program, &subject(entries));
            prop_assert!(steps <= program.cost(), "{steps} of {}: {text}", program.cost());
        }
    }

    /// Far above the usual size the bound is that of the cluster.
    #[test]
    fn a_large_cluster_costs_what_is_allowed_at_most(text in flag(), entries in 64_usize..400) {
        if let Ok(program) = compile(&text) {
            let subject = subject(entries);
            match program.matches(&subject) {
                Err(Problem::TooLarge { cost }) => prop_assert!(cost > BUDGET),
                _ => prop_assert!(steps(&program, &subject) <= BUDGET),
            }
        }
    }
}
