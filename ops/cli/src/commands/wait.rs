//! `wait`: until objects have a condition, or are gone.

use crate::args::WaitArgs;
use crate::commands::get::targets;
use crate::failure::{Done, Failure};
use crate::hub::{Bodies, Hub};
use crate::print::line;
use crate::target::Target;
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Until {
    /// A condition of this type has this status.
    Condition(String, String),
    /// It is gone.
    Deleted,
}

impl Until {
    /// Reads `condition=TYPE`, `condition=TYPE=STATUS`, `delete`.
    ///
    /// # Errors
    /// Another text.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        if text.eq_ignore_ascii_case("delete") {
            return Ok(Self::Deleted);
        }
        let condition = text.strip_prefix("condition=").filter(|rest| !rest.is_empty());
        let condition = condition.ok_or_else(|| {
            let advice = "write --for=condition=TYPE, --for=condition=TYPE=STATUS or --for=delete";
            Failure::usage(format!("\"{text}\" is nothing to wait for"), advice)
        })?;
        let (kind, status) = condition.split_once('=').unwrap_or((condition, "True"));
        Ok(Self::Condition(kind.to_owned(), status.to_owned()))
    }

    /// Whether an object, or its absence, is what is waited for.
    #[must_use]
    pub fn holds(&self, object: Option<&Value>) -> bool {
        let Self::Condition(kind, status) = self else { return object.is_none() };
        let Some(object) = object else { return false };
        let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
        let generation = object.pointer("/metadata/generation").and_then(Value::as_i64);
        conditions.into_iter().flatten().any(|condition| {
            let word = |name: &str| condition[name].as_str().unwrap_or_default();
            let about = condition["observedGeneration"].as_i64().filter(|seen| *seen > 0);
            let outdated = matches!((about, generation), (Some(seen), Some(now)) if seen < now);
            word("type").eq_ignore_ascii_case(kind)
                && word("status").eq_ignore_ascii_case(status)
                && !outdated
        })
    }

    fn said(&self) -> &'static str {
        match self {
            Self::Condition(..) => "condition met",
            Self::Deleted => "deleted",
        }
    }
}

/// `fleetlog wait`.
///
/// # Errors
/// A timeout (exit 3), or a hub that does not answer.
pub async fn run(args: &WaitArgs, hub: &Hub) -> Done {
    let until = Until::parse(&args.until)?;
    let targets = targets(hub, &args.what).await?;
    if targets.is_empty() && until != Until::Deleted {
        let advice = "create them first, or name the objects: they are waited for then";
        return Err(Failure::new("CLI0028", "no matching objects are there", advice));
    }
    let deadline = Instant::now() + args.timeout;
    let mut wrong = vec![];
    for target in &targets {
        match wait_for(hub, target, &until, deadline).await {
            Ok(()) => line(&format!("{} {}", target.full_name(), until.said())),
            Err(failure) => wrong.push(failure),
        }
    }
    Failure::all(wrong).map_or(Ok(()), Err)
}

/// Waits for one object; one that is not there yet is waited for as well.
///
/// # Errors
/// A timeout that says how the object stands.
pub async fn wait_for(hub: &Hub, target: &Target, until: &Until, deadline: Instant) -> Done {
    loop {
        let Target { info, namespace, name } = target;
        let found = hub.object(info, namespace.as_deref(), name, Bodies::LeftOut).await?;
        if until.holds(found.as_ref()) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(timed_out(target, until, found.as_ref()));
        }
        sleep(LOOK_EVERY.min(deadline - Instant::now())).await;
    }
}

fn timed_out(target: &Target, until: &Until, found: Option<&Value>) -> Failure {
    let reference = target.reference();
    let advice = "see why with fleetlog describe and fleetlog explain, or wait longer: --timeout";
    let sentence = match (until, found) {
        (Until::Deleted, _) => format!("{reference} is still there"),
        (_, None) => format!("{reference} is not there"),
        (Until::Condition(kind, status), Some(object)) => {
            let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
            let stands = conditions.into_iter().flatten().find(|condition| {
                condition["type"].as_str().is_some_and(|own| own.eq_ignore_ascii_case(kind))
            });
            let stands = match stands {
                Some(condition) => {
                    let word = |name: &str| condition[name].as_str().unwrap_or_default().to_owned();
                    format!("it is {} ({}: {})", word("status"), word("reason"), word("message"))
                }
                None => "it has no such condition".to_owned(),
            };
            format!("{reference}: {kind} did not become {status}; {stands}")
        }
    };
    Failure::timeout(sentence, advice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(status: &str, observed: i64) -> Value {
        json!({"metadata": {"generation": 2}, "status": {"conditions": [
            {"type": "Available", "status": status, "observedGeneration": observed,
                "reason": "R", "message": "m"}]}})
    }

    #[test]
    fn a_condition_counts_when_it_speaks_of_the_current_generation() {
        let until = Until::parse("condition=available").unwrap();
        assert!(until.holds(Some(&object("True", 2))));
        assert!(until.holds(Some(&object("True", 0))));
        assert!(!until.holds(Some(&object("True", 1))));
        assert!(!until.holds(Some(&object("False", 2))));
        assert!(!until.holds(None));
        let unknown = Until::parse("condition=Available=Unknown").unwrap();
        assert!(unknown.holds(Some(&object("Unknown", 2))));
        assert!(Until::parse("delete").unwrap().holds(None));
        for text in ["", "condition=", "Available", "jsonpath={.a}"] {
            assert_eq!(Until::parse(text).unwrap_err().exit, 2, "{text}");
        }
    }

    #[test]
    fn a_timeout_says_how_the_object_stands() {
        let target = Target::parse("manifestwork/c1/w").unwrap();
        let until = Until::parse("condition=Available").unwrap();
        let failure = timed_out(&target, &until, Some(&object("False", 2)));
        assert_eq!(
            failure.sentence,
            "ManifestWork/c1/w: Available did not become True; it is False (R: m)"
        );
        assert_eq!(failure.exit, 3);
        let failure = timed_out(&target, &until, None);
        assert_eq!(failure.sentence, "ManifestWork/c1/w is not there");
    }
}
