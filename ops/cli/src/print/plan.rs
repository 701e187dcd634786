//! What a topology would change, or has changed, for people and for programs.

use crate::print::table::Rows;
use fleetlog_topology::Profile;
use fleetlog_topology::plan::{Action, Change, Cost, Field, Key, Kind, Plan};
use serde_json::{Value, json};

/// How much of a value is shown in a table.
const SHOWN: usize = 48;
/// Settings that are so many nanoseconds.
const DURATIONS: [&str; 4] =
    ["ack_wait", "duplicate_window", "max_age", "subject_delete_marker_ttl"];

/// A plan as a table, one row a setting, and what its changes cost.
#[must_use]
pub fn table(plan: &Plan) -> String {
    if plan.changes.is_empty() {
        return "no changes\n".to_owned();
    }
    let mut rows = Rows::new(["action", "what", "setting", "now", "wanted"]);
    for change in &plan.changes {
        let (action, what) = (word(change.action), name(&change.key));
        if change.fields.is_empty() {
            rows.push(vec![action.to_owned(), what.clone()]);
        }
        for field in &change.fields {
            let (now, wanted) = (shown(field, &field.now), shown(field, &field.wanted));
            rows.push(vec![action.to_owned(), what.clone(), field.name.clone(), now, wanted]);
        }
    }
    let costs: String = plan.changes.iter().filter_map(cost).collect();
    rows.render() + &costs
}

/// What was done, and what waits for a start of the hub.
#[must_use]
pub fn done(changed: &[Change], left: &Plan) -> String {
    let line = |change: &Change| {
        let did = match change.action {
            Action::Make => "made",
            Action::Change => "changed",
            Action::Replace => "made anew",
            Action::Remove => "removed",
            Action::Restart => "changes when the hub starts again",
        };
        format!("{} {did}\n", name(&change.key))
    };
    let text: String = changed.iter().chain(&left.changes).map(line).collect();
    if text.is_empty() { "no changes\n".to_owned() } else { text }
}

/// Changes for programs.
#[must_use]
pub fn document(profile: Profile, changes: &[Change]) -> Value {
    let change = |change: &Change| {
        let (loses, never) = match &change.cost {
            Cost::Nothing => (Value::Null, Value::Null),
            Cost::Data(why) => (json!(why), Value::Null),
            Cost::Never(why) => (Value::Null, json!(why)),
        };
        json!({
            "action": change.action, "kind": change.key.kind, "name": name(&change.key),
            "fields": change.fields, "losesData": loses, "refused": never,
        })
    };
    let changes: Vec<Value> = changes.iter().map(change).collect();
    json!({ "profile": profile, "changes": changes })
}

fn cost(change: &Change) -> Option<String> {
    let what = name(&change.key);
    match &change.cost {
        Cost::Nothing => None,
        Cost::Data(why) => {
            let stream = &change.key.of;
            Some(format!("{what} loses data: {why}; apply needs --yes-lose-data {stream}\n"))
        }
        Cost::Never(why) => Some(format!("{what} is never changed like this: {why}\n")),
    }
}

/// `stream/CMD`, `consumer/CMD/cmd-work`, `account/HUB`, `server`.
fn name(key: &Key) -> String {
    let kind = match key.kind {
        Kind::Server => return "server".to_owned(),
        Kind::Account => "account",
        Kind::Stream => "stream",
        Kind::Consumer => "consumer",
    };
    let own = key.name.as_ref().map(|name| format!("/{name}")).unwrap_or_default();
    format!("{kind}/{}{own}", key.of)
}

const fn word(action: Action) -> &'static str {
    match action {
        Action::Make => "make",
        Action::Change => "change",
        Action::Replace => "replace",
        Action::Remove => "remove",
        Action::Restart => "restart",
    }
}

fn shown(field: &Field, value: &Value) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) if DURATIONS.contains(&field.name.as_str()) => {
            number.as_u64().map_or_else(|| number.to_string(), duration)
        }
        other => other.to_string(),
    };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// Nanoseconds in the largest unit that they are whole in.
fn duration(nanos: u64) -> String {
    let units = [("d", 86_400_000_000_000), ("h", 3_600_000_000_000), ("m", 60_000_000_000)];
    let units = units.into_iter().chain([("s", 1_000_000_000), ("ms", 1_000_000)]);
    let whole = units.into_iter().find(|(_, unit)| nanos > 0 && nanos.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{nanos}ns"), |(name, unit)| format!("{}{name}", nanos / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let field =
            |name: &str, now: Value, wanted: Value| Field { name: name.into(), now, wanted };
        let status = Change {
            key: Key::new(Kind::Stream, "CMD"),
            action: Action::Change,
            fields: vec![field(
                "max_age",
                json!(86_400_000_000_000_u64),
                json!(90_000_000_000_u64),
            )],
            cost: Cost::Data("a smaller max_age may take some of 4 messages".into()),
            wanted: Value::Null,
        };
        let queue = Change {
            key: Key::consumer("DO", "do-work"),
            action: Action::Make,
            fields: vec![],
            cost: Cost::Nothing,
            wanted: Value::Null,
        };
        Plan { changes: vec![status, queue] }
    }

    #[test]
    fn a_plan_has_a_row_a_setting_and_says_what_it_costs() {
        assert_eq!(table(&Plan::default()), "no changes\n");
        assert_eq!(
            table(&plan()),
            "ACTION   WHAT                  SETTING   NOW   WANTED\n\
             change   stream/CMD            max_age   1d    90s\n\
             make     consumer/DO/do-work\n\
             stream/CMD loses data: a smaller max_age may take some of 4 messages; apply needs \
             --yes-lose-data CMD\n"
        );
    }

    #[test]
    fn what_was_done_is_one_line_each() {
        let Plan { changes } = plan();
        let text = "stream/CMD changed\nconsumer/DO/do-work made\n";
        assert_eq!(done(&changes, &Plan::default()), text);
        assert_eq!(done(&[], &Plan::default()), "no changes\n");
    }

    #[test]
    fn programs_get_every_value_whole() {
        let told = document(Profile::Ha, &plan().changes);
        assert_eq!(told["profile"], json!("ha"));
        let change = &told["changes"][0];
        assert_eq!(change["fields"][0]["now"], json!(86_400_000_000_000_u64));
        assert!(change["losesData"].as_str().is_some_and(|why| why.contains("max_age")));
        assert_eq!(told["changes"][1]["action"], json!("make"));
        assert_eq!(told["changes"][1]["losesData"], Value::Null);
    }

    #[test]
    fn durations_have_the_largest_whole_unit() {
        let told = [86_400_000_000_000, 90_000_000_000, 100_000_000, 7].map(duration);
        assert_eq!(told, ["1d", "90s", "100ms", "7ns"]);
    }
}
