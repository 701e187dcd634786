//! The places that may break a rule, each with the reason why there is no better way.

use crate::offence::Offence;

/// Rule, where (a file, or a folder ending in `/`), reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("calls", "services/chassis/src/clock.rs", "the one place that reads the machine's clock"),
    ("calls", "services/bus/src/jetstream/", "a real server's answers come in no order of ours"),
    ("calls", "schemas/kernel/src/spec.rs", "the assertions of domain tests"),
];

/// Without what is excepted.
pub(crate) fn judged(offences: Vec<Offence>) -> Vec<Offence> {
    let excepted = |offence: &Offence| {
        EXCEPTIONS.iter().any(|(rule, place, _)| {
            let below = place.ends_with('/') && offence.place.starts_with(place);
            *rule == offence.rule && (below || offence.place == *place)
        })
    };
    offences.into_iter().filter(|offence| !excepted(offence)).collect()
}
