//! Label selectors: text and message form, what they match, what is refused, membership of sets.

use fleetlog_messages::common::{LabelSelector, LabelSelectorRequirement};
use fleetlog_messages::registration::{ManagedClusterSelector, ManagedClusterSetSpec};
use fleetlog_rules::labels::{Labels, Selector, SelectorError, check, check_key, check_value};
use fleetlog_rules::membership::{Members, MembershipError, SET_LABEL};
use proptest::prelude::*;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn requirement(key: &str, operator: &str, values: &[&str]) -> LabelSelectorRequirement {
    LabelSelectorRequirement {
        key: Some(key.to_owned()),
        operator: Some(operator.to_owned()),
        values: values.iter().map(|v| (*v).to_owned()).collect(),
    }
}

fn key() -> impl Strategy<Value = String> {
    "([a-z][a-z0-9.]{0,5}[a-z]/)?[A-Za-z0-9]([-_.A-Za-z0-9]{0,8}[A-Za-z0-9])?"
        .prop_filter("a prefix has no empty label", |key| check_key(key).is_ok())
}

fn value() -> impl Strategy<Value = String> {
    "([A-Za-z0-9]([-_.A-Za-z0-9]{0,8}[A-Za-z0-9])?)?"
}

fn expression() -> impl Strategy<Value = LabelSelectorRequirement> {
    let operator = prop::sample::select(vec!["In", "NotIn", "Exists", "DoesNotExist"]);
    (key(), operator, prop::collection::vec(value(), 1..4)).prop_map(|(key, operator, values)| {
        let takes = operator.ends_with("In");
        LabelSelectorRequirement {
            key: Some(key),
            operator: Some(operator.to_owned()),
            values: if takes { values } else { vec![] },
        }
    })
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC*", near in "[a-z!=<>(), innot/.-]{0,40}") {
        for text in [text, near] {
            if let Ok(selector) = Selector::parse(&text) {
                prop_assert_eq!(Selector::parse(&selector.to_string()), Ok(selector));
            }
        }
    }

    #[test]
    fn a_selector_comes_back_from_its_text(
        match_labels in prop::collection::btree_map(key(), value(), 0..4),
        match_expressions in prop::collection::vec(expression(), 0..4),
    ) {
        let selector = Selector::of(&LabelSelector { match_labels, match_expressions }).unwrap();
        prop_assert_eq!(Selector::parse(&selector.to_string()), Ok(selector));
    }

    #[test]
    fn what_in_matches_not_in_does_not(
        given in prop::collection::btree_map(key(), value(), 0..4),
        key in key(),
        values in prop::collection::vec(value(), 1..4),
    ) {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let select = |operator, values: &[&str]| {
            Selector::of_requirements(&[requirement(&key, operator, values)]).unwrap()
        };
        let within = select("In", &values).matches(&given);
        prop_assert_eq!(within, !select("NotIn", &values).matches(&given));
        let there = select("Exists", &[]).matches(&given);
        prop_assert_eq!(there, !select("DoesNotExist", &[]).matches(&given));
        prop_assert!(!within || there);
    }

    #[test]
    fn any_key_and_value_is_taken_or_refused(key in "\\PC*", value in "\\PC*") {
        let both = check_key(&key).is_ok() && check_value(&value).is_ok();
        prop_assert_eq!(check(&[(key, value)].into()).is_ok(), both);
    }
}

#[test]
fn kubectl_text_selects_as_kubectl_does() {
    let given = labels(&[("a", "b"), ("tier", "db"), ("n", "7"), ("x.io/y", "")]);
    let cases = [
        ("", true),
        ("a=b", true),
        ("a==b,tier in (web, db)", true),
        ("a!=b", false),
        ("missing!=b", true),
        ("tier notin (web),n", true),
        ("!a", false),
        ("!missing", true),
        ("n>6,n<8", true),
        ("n>7", false),
        ("n<7", false),
        ("a>1", false),
        ("x.io/y=", true),
    ];
    for (text, expected) in cases {
        assert_eq!(Selector::parse(text).unwrap().matches(&given), expected, "{text}");
    }
}

#[test]
fn the_first_requirement_that_does_not_hold_is_told_as_kubectl_takes_it() {
    let selector = Selector::parse("a=b,tier in (web,db),n>6,!x,m!=1,o notin (1,2),p").unwrap();
    let unmet = |pairs: &[(&str, &str)]| {
        let given = labels(pairs);
        selector.unmet(&given).map(|(text, key)| (text, key.to_owned()))
    };
    let told = |text: &str, key: &str| Some((text.to_owned(), key.to_owned()));
    let fits = [("a", "b"), ("tier", "db"), ("n", "7"), ("p", "")];
    assert_eq!(unmet(&fits), None);
    assert_eq!(unmet(&[]), told("a=b", "a"));
    assert_eq!(unmet(&fits[..1]), told("tier in (db,web)", "tier"));
    assert_eq!(unmet(&fits[..2]), told("n>6", "n"));
    assert_eq!(unmet(&fits[..3]), told("p", "p"));
    let with = |key, value| [fits.as_slice(), &[(key, value)]].concat();
    assert_eq!(unmet(&with("x", "1")), told("!x", "x"));
    assert_eq!(unmet(&with("m", "1")), told("m!=1", "m"));
    assert_eq!(unmet(&with("o", "2")), told("o notin (1,2)", "o"));
}

#[test]
fn the_values_that_a_key_must_have_are_told_and_no_others() {
    let selector = Selector::parse("a=b,tier in (web,db),c!=d,e,!f,g>1").unwrap();
    let pinned: Vec<(&str, Vec<&str>)> = selector
        .pinned()
        .map(|(key, values)| (key, values.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(pinned, [("a", vec!["b"]), ("tier", vec!["db", "web"])]);
    assert!(!selector.is_empty() && Selector::default().is_empty());
}

#[test]
fn text_that_is_no_selector_is_refused_with_the_rule() {
    for (text, rule) in [
        ("a,,b", "a requirement is empty"),
        ("a in (b", "a parenthesis is not closed"),
        ("a near (b)", "before a list stands \"in\" or \"notin\""),
        ("a>b", "after \">\" and \"<\" stands a number"),
    ] {
        let expected = SelectorError::Text { text: text.to_owned(), rule };
        assert_eq!(Selector::parse(text), Err(expected), "{text}");
    }
    assert_eq!(
        Selector::parse("a b=c").unwrap_err().to_string(),
        "\"a b\" is not a valid label key"
    );
}

#[test]
fn a_requirement_that_means_nothing_is_refused() {
    let refused = |operator, values: &[&str]| {
        Selector::of_requirements(&[requirement("a", operator, values)]).unwrap_err().to_string()
    };
    assert_eq!(refused("Bad", &["x"]), "\"Bad\" is not a valid label selector operator");
    assert_eq!(refused("In", &[]), "the operator \"In\" on \"a\" needs at least one value");
    assert_eq!(refused("Exists", &["x"]), "the operator \"Exists\" on \"a\" takes no values");
    assert_eq!(refused("In", &["-"]), "\"-\" is not a valid label value");
}

#[test]
fn a_set_selects_by_its_label_by_a_selector_or_nothing() {
    let spec = |kind: &str, selector: Option<LabelSelector>| ManagedClusterSetSpec {
        cluster_selector: Some(ManagedClusterSelector {
            selector_type: Some(kind.to_owned()),
            label_selector: selector,
        }),
        ..ManagedClusterSetSpec::default()
    };
    let member = labels(&[(SET_LABEL, "s"), ("vendor", "k3s")]);
    let include = |spec: Option<&ManagedClusterSetSpec>| {
        Members::of("s", spec).map(|members| members.include(&member))
    };
    assert_eq!(include(None), Ok(true));
    assert_eq!(include(Some(&spec("ExclusiveClusterSetLabel", None))), Ok(true));
    assert_eq!(include(Some(&spec("LabelSelector", None))), Ok(false));
    assert_eq!(include(Some(&spec("LabelSelector", Some(LabelSelector::default())))), Ok(true));
    let vendor = LabelSelector {
        match_labels: labels(&[("vendor", "openshift")]),
        ..LabelSelector::default()
    };
    assert_eq!(include(Some(&spec("LabelSelector", Some(vendor)))), Ok(false));
    assert_eq!(
        include(Some(&spec("Legacy", None))),
        Err(MembershipError::SelectorType("Legacy".to_owned()))
    );
    assert!(!Members::of("other", None).unwrap().include(&member));
}
