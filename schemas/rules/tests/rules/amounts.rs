//! Quantities and durations: read, compared, written.

use fleetlog_kernel::Timestamp;
use fleetlog_messages::common::Time;
use fleetlog_rules::duration::GoDuration;
use fleetlog_rules::quantity::Quantity;
use proptest::prelude::*;

proptest! {
    #[test]
    fn no_text_makes_the_readers_panic(
        text in "\\PC*",
        number in "[-+]?[0-9.]{0,45}[a-zA-Z0-9+-]{0,5}",
        time in "[-+]?([0-9]{0,40}\\.?[0-9]{0,25}(ns|us|µs|ms|s|m|h)?){0,4}",
    ) {
        for text in [text, number, time] {
            if let Ok(quantity) = Quantity::parse(&text) {
                prop_assert_eq!(Quantity::parse(&quantity.to_string()), Ok(quantity));
            }
            if let Ok(duration) = GoDuration::parse(&text) {
                prop_assert_eq!(GoDuration::parse(&duration.to_string()), Ok(duration));
            }
        }
    }

    #[test]
    fn a_quantity_comes_back_from_its_text(
        whole in 0_u32..100_000,
        fraction in prop::option::of(0_u32..1_000),
        suffix in prop::sample::select(vec![
            "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei",
            "e3", "E-2",
        ]),
        sign in prop::sample::select(vec!["", "-", "+"]),
    ) {
        let fraction = fraction.map_or_else(String::new, |f| format!(".{f}"));
        let text = format!("{sign}{whole}{fraction}{suffix}");
        let quantity = Quantity::parse(&text).unwrap();
        prop_assert_eq!(Quantity::parse(&quantity.to_string()), Ok(quantity));
    }

    #[test]
    fn quantities_are_ordered_by_value(a in 0_i64..1_000_000, b in 0_i64..1_000_000) {
        let milli = |n: i64| Quantity::parse(&format!("{n}m")).unwrap();
        let micro = |n: i64| Quantity::parse(&format!("{}u", n * 1_000)).unwrap();
        prop_assert_eq!(milli(a).cmp(&micro(b)), a.cmp(&b));
    }

    #[test]
    fn a_duration_comes_back_from_its_text(nanos in any::<i64>()) {
        let duration = GoDuration::parse(&format!("{nanos}ns")).unwrap();
        prop_assert_eq!(duration.nanos(), nanos);
        prop_assert_eq!(GoDuration::parse(&duration.to_string()), Ok(duration));
    }
}

#[test]
fn quantities_are_written_as_kubernetes_writes_them() {
    for (given, written) in [
        ("100m", "100m"),
        ("1.5Gi", "1536Mi"),
        ("0.5", "500m"),
        ("1000", "1k"),
        ("1024Ki", "1Mi"),
        ("1Ki", "1Ki"),
        ("0.9765625Ki", "1k"),
        ("2e3", "2e3"),
        ("5e0", "5"),
        ("0Gi", "0"),
        ("-2000m", "-2"),
        ("0.1n", "1n"),
        ("0.1000000000", "100m"),
        ("0.1000000001", "100000001n"),
    ] {
        assert_eq!(Quantity::parse(given).unwrap().to_string(), written, "{given}");
    }
    for bad in ["", "-", ".", "1.2.3", "1Zi", "1e", "1 ", "Ki", "1e99999"] {
        let error = Quantity::parse(bad).unwrap_err().to_string();
        assert!(error.starts_with(&format!("\"{bad}\" is not a quantity")), "{error}");
    }
    assert!(Quantity::parse("0").unwrap().is_zero());
    assert!(!Quantity::parse("1n").unwrap().is_zero());
    assert_ne!(Quantity::parse("1"), Quantity::parse("2"));
}

#[test]
fn durations_are_written_as_go_writes_them() {
    for (given, written) in [
        ("90s", "1m30s"),
        ("1h", "1h0m0s"),
        ("1.5s", "1.5s"),
        ("-300ms", "-300ms"),
        ("1500us", "1.5ms"),
        ("0", "0s"),
        ("2ns", "2ns"),
        ("1500ns", "1.5\u{b5}s"),
        ("1h0.5m", "1h0m30s"),
    ] {
        assert_eq!(GoDuration::parse(given).unwrap().to_string(), written, "{given}");
    }
    for bad in ["", "-", "1", "s", "1d", "1h-5m", ".s", "9223372036854775808ns"] {
        assert!(GoDuration::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_moment_is_the_seconds_and_the_nanoseconds_of_a_time() {
    let time = Time { seconds: 2, nanos: 5, ..Time::default() };
    assert_eq!(fleetlog_rules::moment(&time), Timestamp::of_nanos(2_000_000_005));
}
