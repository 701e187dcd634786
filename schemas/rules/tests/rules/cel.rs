//! Expressions over clusters: what they say, what is refused, and what has no answer.

use fleetlog_messages::common::ObjectMeta;
use fleetlog_messages::placement::AddOnPlacementScoreItem;
use fleetlog_messages::registration::{
    ManagedCluster, ManagedClusterClaim, ManagedClusterStatus, ManagedClusterVersion,
};
use fleetlog_rules::cel::{BUDGET, MAX_DEPTH, MAX_TEXT, Problem, Subject, compile, together};
use proptest::prelude::*;
use proptest::sample::select;

fn cluster() -> ManagedCluster {
    let claim = |name: &str, value: &str| ManagedClusterClaim {
        name: Some(name.to_owned()),
        value: Some(value.to_owned()),
    };
    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    ManagedCluster {
        metadata: Some(ObjectMeta {
            name: Some("c1".to_owned()),
            labels: [
                label("region", "us-east-1"),
                label("v", "1"),
                label("version", "1.31.2"),
                label("doc", r#"{"zones": ["a", "b"], "size": 3}"#),
            ]
            .into(),
            ..ObjectMeta::default()
        }),
        status: Some(ManagedClusterStatus {
            version: Some(ManagedClusterVersion { kubernetes: Some("v1.31.0".to_owned()) }),
            cluster_claims: vec![claim("cloud", "Amazon"), claim("zone", "a")],
            allocatable: [label("cpu", "1500m"), label("memory", "2Gi")].into(),
            ..ManagedClusterStatus::default()
        }),
        ..ManagedCluster::default()
    }
}

fn subject() -> Subject {
    let score = |name: &str, value| AddOnPlacementScoreItem {
        name: Some(name.to_owned()),
        value: Some(value),
    };
    let scores = [score("cpuAvailable", 90), score("memAvailable", -5)];
    Subject::new(&cluster()).with_scores("default", &scores)
}

fn matches(text: &str) -> Result<bool, Problem> {
    compile(text)?.matches(&subject())
}

#[track_caller]
fn holds(text: &str) {
    assert_eq!(matches(text), Ok(true), "{text}");
}

#[track_caller]
fn holds_not(text: &str) {
    assert_eq!(matches(text), Ok(false), "{text}");
}

#[track_caller]
fn has_no_answer(text: &str) {
    let answer = matches(text);
    assert!(matches!(answer, Err(Problem::NoAnswer(_))), "{text}: {answer:?}");
}

#[track_caller]
fn unfit(text: &str, why: &str) {
    let refused = compile(text);
    let unfit = matches!(&refused, Err(Problem::Unfit(reason)) if reason.contains(why));
    assert!(unfit, "{text}: {refused:?}");
}

/// Number 89.
#[test]
fn labels_and_versions_are_compared() {
    holds(r#"managedCluster.metadata.labels["v"] == "1""#);
    holds_not(r#"managedCluster.metadata.labels["v"] == "2""#);
    holds(r#"managedCluster.status.version.kubernetes == "v1.31.0""#);
    holds(r#"semver(managedCluster.metadata.labels["version"]).isGreaterThan(semver("1.30.0"))"#);
    holds_not(r#"semver(managedCluster.metadata.labels.version).isLessThan(semver("1.30.0"))"#);
    holds(r"managedCluster.status.version.kubernetes.matches('^v1\\.3')");
    holds_not(r"managedCluster.status.version.kubernetes.matches('^v1\\.2')");
    has_no_answer(r#"managedCluster.metadata.labels["none"] == "1""#);
    holds(r#"!has(managedCluster.metadata.labels.none)"#);
    let answer = compile("1 + 1").unwrap().matches(&subject());
    assert_eq!(answer, Err(Problem::NotBoolean));
}

/// Numbers 90 and 143.
#[test]
fn scores_are_lists_of_names_and_values() {
    let all = |limit| {
        format!(
            r#"managedCluster.scores("default").filter(s, s.name == "cpuAvailable")
               .all(e, e.value > {limit})"#
        )
    };
    holds(&all(80));
    holds_not(&all(95));
    has_no_answer(r#"managedCluster.scores("none").exists(s, s.value > 0)"#);
    holds(r#"managedCluster.scores("default").exists_one(s, s.value < 0)"#);
    holds(r#"managedCluster.scores("default").map(s, s.value).max() == 90"#);
    holds(r#"managedCluster.scores("default").map(s, s.value).sum() == 85"#);
    has_no_answer(r#"managedCluster.metadata.scores("default").size() == 2"#);
}

/// Number 143.
#[test]
fn claims_are_a_list() {
    let claims = "managedCluster.status.clusterClaims";
    holds(&format!(r#"{claims}.exists(c, c.name == "cloud" && c.value == "Amazon")"#));
    holds_not(&format!(r#"{claims}.exists(c, c.name == "cloud" && c.value == "Azure")"#));
    holds(&format!(r#"{claims}.filter(c, c.name == "zone").map(c, c.value) == ["a"]"#));
    holds(&format!(r#"["cloud", "zone"] == {claims}.map(c, c.name)"#));
    holds(&format!(r#"{claims}.all(c, {claims}.exists(d, c.name == d.name))"#));
}

#[test]
fn quantities_are_reckoned_with() {
    let cpu = r#"quantity(managedCluster.status.allocatable["cpu"])"#;
    holds(&format!(r#"{cpu}.isGreaterThan(quantity("1"))"#));
    holds(&format!(r#"{cpu}.isLessThan(quantity("2"))"#));
    holds(&format!(r#"{cpu}.compareTo(quantity("1.5")) == 0 && {cpu} == quantity("1.5")"#));
    holds(&format!(
        r#"{cpu}.compareTo(quantity("1")) == 1 && {cpu}.compareTo(quantity("2")) == -1"#
    ));
    holds(&format!(r#"{cpu}.add(quantity("500m")).asInteger() == 2"#));
    holds(&format!(r#"{cpu}.add(1).sub(quantity("500m")).sub(2).sign() == 0"#));
    holds(&format!(r#"!{cpu}.isInteger() && {cpu}.asApproximateFloat() == 1.5"#));
    has_no_answer(&format!(r#"{cpu}.asInteger() == 1"#));
    holds(r#"quantity("1") != quantity("2") && !quantity("1").isLessThan(quantity("1"))"#);
    holds(r#"!quantity("1").isGreaterThan(quantity("1"))"#);
    holds(r#"isQuantity("2Gi") && !isQuantity("two")"#);
    holds(r#"quantity("-3").sign() == -1 && quantity("3k").isInteger()"#);
    has_no_answer(r#"quantity("two").sign() == 1"#);
}

#[test]
fn versions_are_read_strictly_unless_asked() {
    holds(r#"isSemver("1.2.3") && !isSemver("v1.2.3") && isSemver("v1.2", true)"#);
    holds(r#"semver("v01.2", true) == semver("1.2.0")"#);
    holds(r#"semver("1.0.03", true) == semver("1.0.3") && !isSemver("1..3", true)"#);
    holds(r#"semver("1.2.3-rc.1").isLessThan(semver("1.2.3"))"#);
    holds(r#"semver("1.2.3+a") == semver("1.2.3+b") && semver("1.2.3") != semver("1.2.4")"#);
    holds(r#"semver("1.2.3").major() == 1 && semver("1.2.3").minor() == 2"#);
    holds(r#"semver("1.2.3").patch() == 3 && semver("1.2.3").compareTo(semver("1.3.0")) == -1"#);
    has_no_answer(r#"semver(managedCluster.status.version.kubernetes).major() == 1"#);
}

#[test]
fn texts_lists_and_documents_have_their_functions() {
    let region = "managedCluster.metadata.labels.region";
    holds(&format!(r#"{region}.split("-") == ["us", "east", "1"]"#));
    holds(&format!(r#"{region}.upperAscii().startsWith("US-")"#));
    holds(&format!(r#"{region}.substring(3, 7) == "east" && {region}.indexOf("east") == 3"#));
    holds(&format!(r#"{region}.replace("-", "/") == "us/east/1""#));
    holds(&format!(r#"["a", {region}].join("+") == "a+us-east-1""#));
    holds(&format!(r#""%s has %d".format([{region}, 2]) == "us-east-1 has 2""#));
    holds(&format!(r#"{region}.find("[0-9]+") == "1""#));
    holds(&format!(r#"{region}.findAll("[a-z]+") == ["us", "east"]"#));
    holds(&format!(r#"{region}.findAll("[a-z]+", 1) == ["us"]"#));
    holds("managedCluster.metadata.labels.doc.parseJSON().zones.exists(z, z == 'b')");
    holds("managedCluster.metadata.labels.doc.parseJSON().size == 3");
    has_no_answer(&format!("{region}.parseJSON().size == 3"));
    holds("[1, 2, 2].isSorted() && ![2, 1].isSorted()");
    holds("[3, 1, 2].min() == 1 && [1, 2, 1].indexOf(1) == 0 && [1, 2, 1].lastIndexOf(1) == 2");
    holds("managedCluster.metadata.?labels[?'none'].orValue('x') == 'x'");
    holds("managedCluster.metadata.labels.?v.hasValue()");
    holds("managedCluster.metadata.labels.map(k, k) == ['doc', 'region', 'v', 'version']");
    holds("'region' in managedCluster.metadata.labels && !('x' in managedCluster.metadata.labels)");
    holds("{'cpu': '1500m', 'memory': '2Gi'} == managedCluster.status.allocatable");
    holds("managedCluster.status.allocatable == {'cpu': '1500m', 'memory': '2Gi'}");
}

#[test]
fn addresses_and_ranges_are_told_apart() {
    holds("isIP('10.0.0.1') && isIP('::1') && !isIP('10.0.0') && !isIP('::ffff:1.2.3.4')");
    holds("!isIP('fe80::1%eth0') && ip('10.0.0.1').family() == 4 && ip('::1').family() == 6");
    holds("ip('127.0.0.1').isLoopback() && ip('::').isUnspecified() && ip('::1').isLoopback()");
    holds("ip('169.254.0.1').isLinkLocalUnicast() && ip('ff02::1').isLinkLocalMulticast()");
    holds("ip('224.0.0.7').isLinkLocalMulticast() && !ip('224.0.1.7').isLinkLocalMulticast()");
    holds("ip('10.0.0.1').isGlobalUnicast() && !ip('255.255.255.255').isGlobalUnicast()");
    holds("['0.0.0.0', '127.0.0.1', '224.0.0.7', '169.254.0.1'].all(a, !ip(a).isGlobalUnicast())");
    holds("ip.isCanonical('10.0.0.1') && !cidr('10.0.0.0/8').containsCIDR('11.0.0.0/16')");
    holds("string(ip('2001:DB8::0')) == '2001:db8::' && !ip.isCanonical('2001:DB8::0')");
    holds("ip('10.0.0.1') == ip('10.0.0.1') && ip('10.0.0.1') != ip('10.0.0.2')");
    holds("isCIDR('10.0.0.0/8') && !isCIDR('10.0.0.0/33') && !isCIDR('10.0.0.0/08')");
    holds(
        "cidr('10.1.0.0/16').containsIP('10.1.2.3') && !cidr('10.1.0.0/16').containsIP('10.2.0.0')",
    );
    holds("cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16')");
    holds(
        "!cidr('10.1.0.0/16').containsCIDR(cidr('10.0.0.0/8')) && cidr('::/0').containsIP('::1')",
    );
    holds("cidr('10.1.2.3/16').masked() == cidr('10.1.0.0/16')");
    holds("cidr('2001:db8::1/32').masked() == cidr('2001:db8::/32')");
    holds("!cidr('::/0').containsIP('1.1.1.1')");
    holds("cidr('10.1.2.3/16').ip() == ip('10.1.2.3') && cidr('10.1.2.3/16').prefixLength() == 16");
    holds("string(cidr('::1/128')) == '::1/128' && cidr('0.0.0.0/0').containsIP(ip('9.9.9.9'))");
    has_no_answer("ip('nowhere').isLoopback()");
    has_no_answer("cidr('10.0.0.0').prefixLength() == 1");
}

#[test]
fn urls_are_taken_apart() {
    let url = "url('https://user@api.c1.example:6443/a b/c?x=1&y=%20z&x=2')";
    holds(&format!("{url}.getScheme() == 'https' && {url}.getHost() == 'api.c1.example:6443'"));
    holds(&format!("{url}.getHostname() == 'api.c1.example' && {url}.getPort() == '6443'"));
    holds(&format!("{url}.getEscapedPath() == '/a%20b/c'"));
    holds(&format!("{url}.getQuery() == {{'x': ['1', '2'], 'y': [' z']}}"));
    holds("url('https://[::1]:80/').getHostname() == '::1' && url('/a').getHost() == ''");
    holds("url('https://[::1]').getPort() == '' && url('http://h').getEscapedPath() == ''");
    holds(
        "isURL('http://h') && isURL('/a') && !isURL('h/a') && !isURL('../a') && !isURL('1a://h')",
    );
    holds("!isURL('http://h:port') && !isURL('http://a b/') && url('http://h') == url('http://h')");
    holds("url('http://h') != url('http://g')");
    has_no_answer("url('nowhere').getHost() == ''");
}

/// Number 91.
#[test]
fn what_cannot_be_read_or_does_not_fit_is_refused() {
    unfit("managedCluster.metadata.labels[", "Syntax error");
    unfit("", "Syntax error");
    unfit("cluster.metadata.name == 'c1'", "undeclared reference to \"cluster\"");
    unfit("managedCluster.metadata.lables.v == '1'", "undefined field \"lables\"");
    unfit("managedCluster.metadata.labels.v == 1", "no matching overload for '_==_'");
    unfit("managedCluster.metadata.name + 1 == 2", "no matching overload for '_+_'");
    unfit("managedCluster.spec.hubAcceptsClient + 1 == 2", "no matching overload for '_+_'");
    unfit("managedCluster.spec.leaseDurationSeconds + 'a' == ''", "no matching overload");
    unfit("(dyn(3) - 1).size() == 1", "no matching overload for 'size'");
    unfit("(3 - dyn(1)).size() == 1", "no matching overload for 'size'");
    unfit("1.5 % 2.0 == 1.0", "no matching overload for '_%_'");
    unfit("'a' - 'b' == 'c'", "no matching overload for '_-_'");
    unfit("b'a' + 'b' == 'ab'", "no matching overload for '_+_'");
    unfit("bytes('a') + 'b' == 'c'", "no matching overload for '_+_'");
    unfit("dyn(1) - 'a' == 1", "no matching overload for '_-_'");
    unfit("'a' - dyn(1) == 1", "no matching overload for '_-_'");
    unfit("-'a' == 'b'", "no matching overload for '-_'");
    holds("-managedCluster.metadata.labels.size() == -4");
    unfit("managedCluster.metadata.labels == 'a'", "no matching overload for '_==_'");
    unfit("1 && true", "no matching overload for '_&&_' applied to '(int, bool)'");
    unfit("'a' ? true : false", "no matching overload for '_?_:_'");
    unfit("[1].filter(x, x)", "expected type bool, found int");
    unfit("semver([1]).major() == 1", "applied to '(list(int))'");
    unfit("[1, 2]['a'] == 1", "no matching overload for '_[_]'");
    holds("[1, 2][dyn(1)] == 2 && [optional.of('a')][0].value() == 'a'");
    unfit("[1] < dyn(1)", "no matching overload for '_<_'");
    unfit("dyn(1) < [1]", "no matching overload for '_<_'");
    unfit("1 < 'a'", "no matching overload for '_<_'");
    unfit("1 < null", "no matching overload for '_<_'");
    holds("dyn(3) - 1 == 2 && 3 - dyn(1) == 2 && dyn(1) < 2");
    let keys = "managedCluster.metadata.labels.exists(k, k == 'v')";
    unfit(&format!("{{'a': 1}}.size() == 1 && {keys}"), "beside a map that is written out");
    unfit(&format!("{{'a': {keys}}}.a"), "beside a map that is written out");
    unfit(&format!("[{{'a': {{'b': {keys}}}}}].size() == 1"), "beside a map that is written out");
    unfit(&keys.replace("'v'", "{'a': 'v'}.a"), "beside a map that is written out");
    unfit("managedCluster.metadata.name.unknown()", "undeclared reference to \"unknown\"");
    unfit("semver(1).major() == 1", "no matching overload for 'semver'");
    unfit("'a'.matches(managedCluster.metadata.name)", "write it as a string");
    unfit("'a'.matches('[')", "pattern");
    unfit("'a'.matches('(a{100}){100}{100}')", "becomes too large");
    unfit("1.exists(x, true)", "no entries to go through");
    unfit("Thing{a: 1} == 2", "undeclared type");
    unfit("timestamp('2026-01-01T00:00:00Z') == 1", "undeclared reference");
    let shown = compile("1 +").unwrap_err().to_string();
    assert!(shown.starts_with("compilation failed: ERROR: <input>:1:"), "{shown}");
}

#[test]
fn what_has_the_same_fields_is_equal_where_they_are() {
    let scores = "managedCluster.scores('default')";
    holds(&format!("{scores}[0] == {scores}[0] && {scores} == {scores}"));
    holds_not(&format!("{scores}[0] == {scores}[1]"));
    holds(&format!("{scores}[0] == {{'name': 'cpuAvailable', 'value': 90}}"));
    holds_not(&format!("{scores}[0] == {{'name': 'cpuAvailable', 'value': 91}}"));
    holds_not(&format!("{scores}[0] == {{'name': 'cpuAvailable', 'value': 90, 'more': 1}}"));
    holds_not("managedCluster.status.allocatable == managedCluster.metadata.labels");
}

/// Number 92.
#[test]
fn what_may_take_too_long_is_refused() {
    let claims = "managedCluster.status.clusterClaims";
    let twice = format!("{claims}.all(a, {claims}.exists(b, a.name == b.name))");
    assert!(compile(&twice).unwrap().cost() <= BUDGET);
    let thrice =
        format!("{claims}.all(a, {claims}.all(b, {claims}.exists(c, a.name == b.name && b == c)))");
    let refused = compile(&thrice).unwrap_err();
    assert!(matches!(refused, Problem::TooCostly(_)), "{refused}");
    let doubled = format!("'aaaa'{} == ''", ".replace('a', 'aa')".repeat(20));
    assert!(matches!(compile(&doubled), Err(Problem::TooCostly(_))));
    let nested = format!("[1]{}.size() > 0", ".map(x, [x, x])".repeat(20));
    assert!(compile(&nested).is_err());
    let chain = format!("0{} == 100", " + 1".repeat(100));
    assert!(matches!(compile(&chain), Err(Problem::TooCostly(_))));
    let long = format!("'{}' == ''", "a".repeat(5_000));
    assert!(matches!(compile(&long), Err(Problem::TooCostly(_))));
    let wide = vec!["true"; 500].join(" || ");
    holds(&wide);
    let padded = |len: usize| format!("true{}", " ".repeat(len - 4));
    assert_eq!(compile(&padded(MAX_TEXT)).map(drop), Ok(()));
    assert!(matches!(compile(&padded(MAX_TEXT + 1)), Err(Problem::TooCostly(_))));
    let denied = |times: usize| format!("{}true", "!".repeat(times));
    let depth = (1..).find(|times| compile(&denied(*times)).is_err()).unwrap();
    let told = compile(&denied(depth)).unwrap_err().to_string();
    assert!(told.contains(&format!("{} levels deep", MAX_DEPTH + 1)), "{told}");
}

/// Number 92, for all expressions of a placement.
#[test]
fn many_expressions_have_a_budget_together() {
    let claims = "managedCluster.status.clusterClaims";
    let dear = compile(&format!("{claims}.all(a, {claims}.exists(b, a.name == b.name))")).unwrap();
    let fit = usize::try_from(1_000_000 / dear.cost()).unwrap();
    assert_eq!(together(std::iter::repeat_n(&dear, fit)), Ok(()));
    let refused = together(std::iter::repeat_n(&dear, fit + 1)).unwrap_err();
    assert!(refused.to_string().contains("1000000 are allowed"), "{refused}");
    let one = compile("true").unwrap();
    assert_eq!(together(std::iter::repeat_n(&one, 1_000_000)), Ok(()));
    assert!(together(std::iter::repeat_n(&one, 1_000_001)).is_err());
}

/// Number 92, for the input: a cluster with 10,000 labels and claims.
#[test]
fn a_huge_cluster_is_asked_what_it_can_answer_in_time() {
    let mut huge = cluster();
    let meta = huge.metadata.get_or_insert_default();
    meta.labels.extend((0..10_000).map(|n| (format!("label-{n}"), "x".to_owned())));
    let status = huge.status.get_or_insert_default();
    status.cluster_claims.extend((0..10_000).map(|n| ManagedClusterClaim {
        name: Some(format!("claim-{n}")),
        value: Some("x".to_owned()),
    }));
    let huge = Subject::new(&huge);
    let asked = |text: &str| compile(text).unwrap().matches(&huge);
    assert_eq!(asked("managedCluster.metadata.labels['label-9'] == 'x'"), Ok(true));
    assert_eq!(asked("managedCluster.metadata.labels.size() > 10000"), Ok(true));
    let claims = "managedCluster.status.clusterClaims";
    let twice = format!("{claims}.all(a, {claims}.exists(b, a.name == b.name))");
    assert!(matches!(asked(&twice), Err(Problem::TooLarge { .. })));
}

/// Whatever the text nests, a thread with a small stack reads or refuses it.
#[test]
fn a_deep_text_needs_no_deep_stack() {
    let forms = [
        ("(", "true", ")"),
        ("[", "1", "]"),
        ("{'a':", "1", "}"),
        ("!", "true", ""),
        ("-", "1", ""),
        ("- ", "a", ""),
        ("true?", "1", ":2"),
        ("true?1:", "1", ""),
        ("dyn(", "1", ")"),
        ("", "a", ".b"),
        ("", "a", "[0]"),
        ("", "a", ".b()"),
        ("", "a", ".?b"),
        ("", "1", "+1"),
        ("", "1", "==1"),
        ("1+(", "1", ")"),
        ("a.map(x,", "x", ")"),
        ("has(a.", "b", ")"),
        ("a && (", "b", ")"),
        ("a && !", "b", ""),
        ("T{a:", "1", "}"),
        ("[?", "1", "]"),
        ("'\\", "'", ""),
        ("1 in ", "[1]", ""),
        ("true && true || (", "true", ")"),
    ];
    let small = std::thread::Builder::new().stack_size(3 << 19);
    let all = move || {
        for (open, middle, close) in forms {
            for times in [1, 10, 40, 50, 100, 1_000, 4_000] {
                let text = format!("{}{middle}{}", open.repeat(times), close.repeat(times));
                let cut: String = text.chars().take(4_096).collect();
                for text in [text, cut] {
                    if let Ok(program) = compile(&text) {
                        let _ = program.matches(&subject());
                    }
                }
            }
        }
    };
    small.spawn(all).unwrap().join().unwrap();
}

/// Words that expressions are made of.
const WORDS: [&str; 70] = [
    "ip",
    "cidr",
    "url",
    "'10.0.0.1/8'",
    "containsIP",
    "masked",
    "getQuery",
    "'http://h:1/?a=b'",
    "managedCluster",
    "metadata",
    "labels",
    "status",
    "clusterClaims",
    "x",
    "y",
    "'a'",
    "'us-.*'",
    "b'a'",
    "1",
    "2u",
    "-3",
    "1.5",
    "9223372036854775807",
    "1e308",
    "true",
    "null",
    "\"%s %d\"",
    ".",
    ".",
    ".",
    "(",
    "(",
    ")",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ",",
    ":",
    "?",
    "+",
    "-",
    "*",
    "/",
    "%",
    "==",
    "!=",
    "<",
    ">=",
    "&&",
    "||",
    "!",
    "in",
    "has",
    "all",
    "exists",
    "map",
    "filter",
    "size",
    "scores",
    "semver",
    "quantity",
    "matches",
    "replace",
    "format",
    "split",
    "parseJSON",
    "int",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,60}") {
        if let Ok(program) = compile(&text) {
            let _ = program.matches(&subject());
        }
    }

    #[test]
    fn no_words_make_the_reader_panic(words in prop::collection::vec(select(&WORDS[..]), 0..40)) {
        for text in [words.join(" "), words.concat()] {
            if let Ok(program) = compile(&text) {
                let _ = program.matches(&subject());
            }
        }
    }
}
