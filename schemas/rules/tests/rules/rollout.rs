//! Rollouts: the numbered behaviours as tables, and any rollout against a plain reference.

use fleetlog_kernel::Timestamp;
use fleetlog_messages::common::{IntOrString, int_or_string::Value};
use fleetlog_messages::work::{
    MandatoryDecisionGroup, RolloutAll, RolloutProgressive, RolloutProgressivePerGroup,
    RolloutStrategy,
};
use fleetlog_rules::rollout::{
    Group, Kind, Mandatory, Rollout, Size, Standing, Status, Strategy as Rules, plan,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

const NOW: Timestamp = Timestamp::of_seconds(10_000);

fn ago(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp::of_seconds(10_000 - seconds))
}

fn group(name: &str, index: u32, clusters: &[&str]) -> Group {
    let clusters = clusters.iter().map(ToString::to_string).collect();
    Group { name: name.to_owned(), index, clusters }
}

fn standings(of: &[(&str, Status, Option<Timestamp>)]) -> BTreeMap<String, Standing> {
    let one = |&(cluster, status, since): &(&str, Status, Option<Timestamp>)| {
        (cluster.to_owned(), Standing { status, since })
    };
    of.iter().map(one).collect()
}

fn progressive(concurrency: i64) -> Rules {
    let max_concurrency = Some(Size::Count(concurrency));
    Rules { kind: Kind::Progressive, max_concurrency, ..Rules::default() }
}

fn per_group() -> Rules {
    Rules { kind: Kind::ProgressivePerGroup, ..Rules::default() }
}

fn at_it(rollout: &Rollout) -> Vec<&str> {
    rollout.to_rollout.iter().map(|(cluster, _)| cluster.as_str()).collect()
}

fn starting(rollout: &Rollout) -> Vec<&str> {
    rollout.starts().collect()
}

fn text(value: &str) -> Option<IntOrString> {
    Some(IntOrString { value: Some(Value::Str(value.to_owned())) })
}

fn whole(value: i64) -> Option<IntOrString> {
    Some(IntOrString { value: Some(Value::Int(value)) })
}

fn of_progressive(form: RolloutProgressive) -> RolloutStrategy {
    let r#type = Some("Progressive".to_owned());
    RolloutStrategy { r#type, progressive: Some(form), ..RolloutStrategy::default() }
}

#[test]
fn rp121_all_takes_everybody_and_gives_up_whose_deadline_is_over() {
    let groups = [group("", 0, &["c1", "c2", "c3", "c4", "c5"])];
    let known = standings(&[("c5", Status::Failed, ago(91))]);
    let rollout = plan(&Rules::default(), &groups, &known, NOW);
    assert_eq!(at_it(&rollout), ["c5", "c1", "c2", "c3", "c4"]);
    assert!(rollout.timed_out.is_empty() && !rollout.breached);
    let deadline = Rules { progress_deadline: Some(Duration::from_secs(90)), ..Rules::default() };
    let rollout = plan(&deadline, &groups, &known, NOW);
    assert_eq!(at_it(&rollout), ["c1", "c2", "c3", "c4"]);
    assert_eq!(rollout.timed_out, ["c5"]);
    let fresh = standings(&[("c5", Status::Failed, ago(30))]);
    let rollout = plan(&deadline, &groups, &fresh, NOW);
    assert_eq!(rollout.recheck_after, Some(Duration::from_secs(60)));
}

#[test]
fn rp122_so_many_clusters_are_at_it_at_a_time() {
    let groups = [group("", 0, &["c1", "c2", "c3"])];
    let known = standings(&[("c1", Status::Progressing, ago(5))]);
    assert_eq!(at_it(&plan(&progressive(2), &groups, &known, NOW)), ["c1", "c2"]);
    let known = standings(&[("c1", Status::Succeeded, ago(5))]);
    assert_eq!(at_it(&plan(&progressive(2), &groups, &known, NOW)), ["c2", "c3"]);
    let half = Rules { max_concurrency: Some(Size::Percent(50)), ..progressive(0) };
    assert_eq!(at_it(&plan(&half, &groups, &BTreeMap::new(), NOW)), ["c1", "c2"]);
}

#[test]
fn rp123_nothing_starts_once_more_failed_than_may() {
    let groups = [group("", 0, &["c1", "c2", "c3", "c4"])];
    let one = Rules { max_failures: Size::Count(1), ..progressive(4) };
    let failed = [("c1", Status::Failed, ago(5)), ("c2", Status::Failed, ago(5))];
    let rollout = plan(&one, &groups, &standings(&failed[..1]), NOW);
    assert!(!rollout.breached);
    assert_eq!(starting(&rollout), ["c2", "c3", "c4"]);
    let rollout = plan(&one, &groups, &standings(&failed), NOW);
    assert!(rollout.breached);
    assert_eq!(at_it(&rollout), ["c1", "c2"]);
    assert_eq!(starting(&rollout), [""; 0]);
}

#[test]
fn rp124_a_success_keeps_its_slot_until_it_has_lasted() {
    let groups = [group("", 0, &["c1", "c2"])];
    let soak = Rules { min_success_time: Duration::from_secs(300), ..progressive(1) };
    let rollout = plan(&soak, &groups, &standings(&[("c1", Status::Succeeded, ago(120))]), NOW);
    assert_eq!(at_it(&rollout), ["c1"]);
    assert_eq!(rollout.recheck_after, Some(Duration::from_secs(180)));
    let rollout = plan(&soak, &groups, &standings(&[("c1", Status::Succeeded, ago(300))]), NOW);
    assert_eq!(at_it(&rollout), ["c2"]);
    assert_eq!(rollout.recheck_after, None);
    let all = Rules { kind: Kind::All, ..soak };
    let rollout = plan(&all, &groups, &standings(&[("c1", Status::Succeeded, ago(120))]), NOW);
    assert_eq!(at_it(&rollout), ["c2"], "All does not wait for a success to last");
}

#[test]
fn rp125_a_mandatory_group_that_fails_holds_up_all_others() {
    let groups = [group("canary", 0, &["c1"]), group("", 1, &["c2"]), group("", 2, &["c3"])];
    let known = standings(&[("c1", Status::Failed, ago(1_000_000))]);
    let first = vec![Mandatory::Name("canary".to_owned())];
    let all = Rules { max_failures: Size::Percent(100), mandatory: first, ..progressive(3) };
    for rules in [all.clone(), Rules { kind: Kind::ProgressivePerGroup, ..all.clone() }] {
        let rollout = plan(&rules, &groups, &known, NOW);
        assert_eq!(at_it(&rollout), ["c1"]);
        assert!(rollout.breached);
        let over = Rules { progress_deadline: Some(Duration::ZERO), ..rules.clone() };
        let rollout = plan(&over, &groups, &known, NOW);
        assert_eq!(
            (rollout.timed_out.as_slice(), at_it(&rollout).len()),
            (&["c1".to_owned()][..], 0)
        );
        let done = standings(&[("c1", Status::Succeeded, ago(1))]);
        assert!(!starting(&plan(&rules, &groups, &done, NOW)).is_empty());
    }
    let rollout = plan(&Rules { mandatory: vec![], ..all }, &groups, &known, NOW);
    assert_eq!(starting(&rollout), ["c2", "c3"], "without it, 100 % may fail");
}

#[test]
fn rp126_a_group_starts_when_the_one_before_is_done() {
    let groups = [group("", 1, &["c3", "c4"]), group("", 0, &["c1", "c2"])];
    let half = Rules { max_failures: Size::Percent(50), ..per_group() };
    let plan =
        |known: &[(&str, Status, Option<Timestamp>)]| plan(&half, &groups, &standings(known), NOW);
    assert_eq!(starting(&plan(&[])), ["c1", "c2"]);
    let done = |cluster| (cluster, Status::Succeeded, ago(1));
    assert_eq!(starting(&plan(&[done("c1")])), ["c2"]);
    assert_eq!(starting(&plan(&[done("c1"), ("c2", Status::Progressing, ago(1))])), [""; 0]);
    assert_eq!(starting(&plan(&[done("c1"), done("c2")])), ["c3", "c4"]);
    let over = |cluster| (cluster, Status::TimeOut, ago(1));
    assert_eq!(starting(&plan(&[done("c1"), over("c2")])), ["c3", "c4"]);
    let breached = plan(&[over("c1"), over("c2")]);
    assert!(breached.breached && starting(&breached).is_empty());
    // One that timed out is not done, and not waited for: what is pending is counted exactly.
    let second = plan(&[done("c1"), over("c2"), ("c3", Status::Progressing, ago(1))]);
    assert_eq!(starting(&second), ["c4"]);
}

#[test]
fn rp127_a_cluster_that_is_decided_on_no_more_is_removed() {
    let groups = [group("", 0, &["c1"])];
    let gone = ("c9", Status::Failed, ago(1_000));
    for rules in [Rules::default(), progressive(1), per_group()] {
        let rollout = plan(&rules, &groups, &standings(&[gone]), NOW);
        assert_eq!(rollout.removed, ["c9"]);
        assert_eq!(at_it(&rollout), ["c1"]);
        assert!(!rollout.breached && rollout.timed_out.is_empty());
    }
}

#[test]
fn rp128_a_size_that_is_no_number_is_refused_and_one_out_of_range_is_all() {
    let read = |size: Option<IntOrString>| {
        let form = RolloutProgressive { max_concurrency: size, ..RolloutProgressive::default() };
        Rules::of(Some(&of_progressive(form)))
    };
    let refused = read(text("two")).unwrap_err();
    assert_eq!(refused.path, "progressive.maxConcurrency");
    assert_eq!(
        refused.to_string(),
        "progressive.maxConcurrency: \"two\" is neither a number nor a percentage"
    );
    assert!(read(text("%")).is_err() && read(text("-1%")).is_err() && read(text("")).is_err());
    assert!(read(text("+1%")).is_err() && read(text("+1")).is_err());
    let groups = [group("", 0, &["c1", "c2", "c3"])];
    for size in [text("0"), whole(0), whole(-1), whole(4), text("0%"), text("101%"), None] {
        let rollout = plan(&read(size).unwrap(), &groups, &BTreeMap::new(), NOW);
        assert_eq!(at_it(&rollout), ["c1", "c2", "c3"]);
    }
    let rollout = plan(&read(text("2")).unwrap(), &groups, &BTreeMap::new(), NOW);
    assert_eq!(at_it(&rollout), ["c1", "c2"]);
}

#[test]
fn rp129_a_mandatory_name_is_every_group_of_it_in_turn() {
    let groups = [group("canary", 0, &["c1"]), group("canary", 1, &["c2"]), group("", 2, &["c3"])];
    let names = vec![MandatoryDecisionGroup {
        group_name: Some("canary".to_owned()),
        group_index: Some(2),
    }];
    let unknown = MandatoryDecisionGroup { group_name: None, group_index: Some(7) };
    let mandatory_decision_groups = names.into_iter().chain([unknown]).collect();
    let form = RolloutProgressive { mandatory_decision_groups, ..RolloutProgressive::default() };
    let rules = Rules::of(Some(&of_progressive(form))).unwrap();
    let done = |of: &[&'static str]| -> Vec<(&'static str, Status, Option<Timestamp>)> {
        of.iter().map(|cluster| (*cluster, Status::Succeeded, ago(1))).collect()
    };
    for (known, next) in [(&[][..], "c1"), (&["c1"][..], "c2"), (&["c1", "c2"][..], "c3")] {
        let rollout = plan(&rules, &groups, &standings(&done(known)), NOW);
        assert_eq!(starting(&rollout), [next]);
    }
}

#[test]
fn rp130_a_measure_becomes_a_score_between_its_bounds() {
    let score = |value| fleetlog_rules::score::normalized(value, 0.0, 10.0);
    assert_eq!([5.0, 12.0, 0.0, -3.0, 10.0].map(score), [0, 100, -100, -100, 100]);
    assert_eq!(score(3.3), -34, "towards zero");
    assert_eq!(score(f64::NAN), -100);
    assert_eq!(fleetlog_rules::score::normalized(7.0, 7.0, 7.0), -100);
    assert_eq!(fleetlog_rules::score::normalized(15.0, 10.0, 20.0), 0);
}

/// Numbers 75 and 76 of work: a percentage is rounded up, of all or of the group.
#[test]
fn percentages_of_failures_are_rounded_up() {
    let names: Vec<String> = (0..10).map(|n| format!("c{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let quarter = Rules { max_failures: Size::Percent(25), ..progressive(10) };
    let failed = |count: usize| -> Vec<(&str, Status, Option<Timestamp>)> {
        names.iter().take(count).map(|name| (*name, Status::Failed, ago(1))).collect()
    };
    let all = [group("", 0, &names)];
    assert!(!plan(&quarter, &all, &standings(&failed(3)), NOW).breached);
    assert!(plan(&quarter, &all, &standings(&failed(4)), NOW).breached);
    let groups = [group("", 0, &names[..3]), group("", 1, &names[3..5])];
    let third =
        Rules { kind: Kind::ProgressivePerGroup, max_failures: Size::Percent(34), ..quarter };
    let done = names.iter().skip(1).take(2).map(|name| (*name, Status::Succeeded, ago(1)));
    let known: Vec<_> = failed(1).into_iter().chain(done).collect();
    assert!(!plan(&third, &groups, &standings(&known), NOW).breached, "2 of 3 may fail");
    let more: Vec<_> = known
        .into_iter()
        .chain([(names[3], Status::Failed, ago(1)), (names[4], Status::Failed, ago(1))])
        .collect();
    assert!(plan(&third, &groups, &standings(&more), NOW).breached, "1 of 2 may fail");
}

#[test]
fn every_form_is_read_with_its_defaults_and_refused_by_field() {
    assert_eq!(Rules::of(None), Ok(Rules::default()));
    let all = |form| RolloutStrategy { all: Some(form), ..RolloutStrategy::default() };
    let deadline = |text: &str| {
        let progress_deadline = Some(text.to_owned());
        Rules::of(Some(&all(RolloutAll { progress_deadline, ..RolloutAll::default() })))
    };
    assert_eq!(deadline("None"), Ok(Rules::default()));
    let read = deadline("90s").unwrap().progress_deadline;
    assert_eq!(read, Some(Duration::from_secs(90)));
    assert_eq!(deadline("soon").unwrap_err().path, "all.progressDeadline");
    assert_eq!(deadline("-1s").unwrap_err().path, "all.progressDeadline");
    let failing = RolloutAll {
        max_failures: text("20%"),
        min_success_time: Some("5m".to_owned()),
        ..RolloutAll::default()
    };
    let read = Rules::of(Some(&all(failing))).unwrap();
    let expected = (Size::Percent(20), Duration::from_secs(300));
    assert_eq!((read.max_failures, read.min_success_time), expected);
    let late = RolloutProgressivePerGroup {
        progress_deadline: Some("soon".to_owned()),
        ..RolloutProgressivePerGroup::default()
    };
    let late = RolloutStrategy {
        r#type: Some("ProgressivePerGroup".to_owned()),
        progressive_per_group: Some(late),
        ..RolloutStrategy::default()
    };
    let refused = Rules::of(Some(&late)).unwrap_err();
    assert_eq!(refused.path, "progressivePerGroup.progressDeadline");
    let form = RolloutProgressivePerGroup {
        min_success_time: Some("5m".to_owned()),
        progress_deadline: Some("1h".to_owned()),
        max_failures: text("10%"),
        mandatory_decision_groups: vec![MandatoryDecisionGroup {
            group_name: Some("first".to_owned()),
            ..MandatoryDecisionGroup::default()
        }],
    };
    let given = RolloutStrategy {
        r#type: Some("ProgressivePerGroup".to_owned()),
        progressive_per_group: Some(form),
        ..RolloutStrategy::default()
    };
    let expected = Rules {
        min_success_time: Duration::from_secs(300),
        progress_deadline: Some(Duration::from_secs(3_600)),
        max_failures: Size::Percent(10),
        mandatory: vec![Mandatory::Name("first".to_owned())],
        ..per_group()
    };
    assert_eq!(Rules::of(Some(&given)), Ok(expected));
    let other = RolloutStrategy { r#type: Some("Sideways".to_owned()), ..Default::default() };
    assert_eq!(Rules::of(Some(&other)).unwrap_err().path, "type");
}

fn any_size() -> impl Strategy<Value = Size> {
    prop_oneof![(-1_i64..9).prop_map(Size::Count), (0_u32..110).prop_map(Size::Percent)]
}

fn any_rules() -> impl Strategy<Value = Rules> {
    let kind = prop::sample::select(vec![Kind::All, Kind::Progressive, Kind::ProgressivePerGroup]);
    let time = || prop::sample::select(vec![0_u64, 1, 30, 100]).prop_map(Duration::from_secs);
    let first = prop_oneof![
        (0_u32..5).prop_map(Mandatory::Index),
        prop::sample::select(vec!["a", "b", "z"]).prop_map(|n| Mandatory::Name(n.to_owned())),
    ];
    let first = prop::collection::vec(first, 0..3);
    let failures = any_size();
    let concurrency = prop::option::of(any_size());
    let all = (kind, time(), prop::option::of(time()), failures, concurrency, first);
    all.prop_map(|(kind, min_success_time, progress_deadline, max_failures, most, mandatory)| {
        let max_concurrency = most;
        Rules {
            kind,
            min_success_time,
            progress_deadline,
            max_failures,
            max_concurrency,
            mandatory,
        }
    })
}

fn any_groups() -> impl Strategy<Value = Vec<Group>> {
    let name = prop::sample::select(vec!["", "a", "b"]);
    prop::collection::vec((name, 0_usize..4), 0..5).prop_map(|groups| {
        let mut next = 0;
        let made = groups.into_iter().enumerate().map(|(index, (name, count))| {
            // Not in the order of the groups.
            let names: Vec<String> =
                (next..next + count).map(|n| format!("c{}", n * 7 % 20)).collect();
            next += count;
            let clusters = names.into_iter().collect();
            Group { name: name.to_owned(), index: index as u32, clusters }
        });
        let mut groups: Vec<Group> = made.collect();
        groups.reverse();
        groups
    })
}

fn any_standings() -> impl Strategy<Value = BTreeMap<String, Standing>> {
    let status = prop::sample::select(vec![
        Status::ToApply,
        Status::Progressing,
        Status::Succeeded,
        Status::Succeeded,
        Status::Failed,
        Status::TimeOut,
        Status::Skip,
    ]);
    let since = prop::option::of((9_850_i64..10_000).prop_map(Timestamp::of_seconds));
    let cluster = (0_u32..22).prop_map(|n| format!("c{n}"));
    let standing = (status, since).prop_map(|(status, since)| Standing { status, since });
    prop::collection::btree_map(cluster, standing, 0..18)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn every_rollout_is_what_the_reference_says(
        rules in any_rules(),
        groups in any_groups(),
        known in any_standings(),
    ) {
        let rollout = plan(&rules, &groups, &known, NOW);
        prop_assert_eq!(rollout, crate::reference::plan(&rules, &groups, &known, NOW));
    }

    /// Until it says to look again, time changes nothing.
    #[test]
    fn nothing_changes_before_the_recheck(
        rules in any_rules(),
        groups in any_groups(),
        mut known in any_standings(),
        part in 0_u64..100,
    ) {
        known.values_mut().for_each(|standing| { standing.since.get_or_insert(NOW); });
        let first = plan(&rules, &groups, &known, NOW);
        let whole = first.recheck_after.unwrap_or(Duration::from_secs(100_000));
        let later = NOW.plus(Duration::from_nanos(whole.as_nanos() as u64 / 100 * part));
        let mut second = plan(&rules, &groups, &known, later);
        second.recheck_after = first.recheck_after;
        prop_assert_eq!(&first, &second);
        if let Some(recheck) = first.recheck_after {
            prop_assert!(recheck > Duration::ZERO);
            prop_assert_ne!(&first, &plan(&rules, &groups, &known, NOW.plus(recheck)));
        }
    }

    /// Where nobody fails every rollout ends, and never more are at it than may.
    #[test]
    fn a_rollout_without_failures_ends(rules in any_rules(), groups in any_groups()) {
        let mut known = BTreeMap::new();
        let total: usize = groups.iter().map(|group| group.clusters.len()).sum();
        let mut now = NOW;
        for _ in 0..=total {
            let rollout = plan(&rules, &groups, &known, now);
            prop_assert!(!rollout.breached);
            if rules.kind == Kind::Progressive && rules.mandatory.is_empty() {
                let most = rules.max_concurrency.and_then(|size| size.of(total)).unwrap_or(total);
                prop_assert!(rollout.to_rollout.len() <= most);
            }
            for cluster in rollout.starts() {
                let standing = Standing { status: Status::Succeeded, since: Some(now) };
                known.insert(cluster.to_owned(), standing);
            }
            now = now.plus(rules.min_success_time);
        }
        let rollout = plan(&rules, &groups, &known, now);
        prop_assert_eq!(known.len(), total);
        prop_assert_eq!(rollout, Rollout::default());
    }
}
