//! A tiny service: tallies that are added to. Commands and events are text.

use bytes::Bytes;
use fleetlog_chassis::{Decided, Denied, Effect, Machine, Request, Unreadable};
use fleetlog_kernel::{Service, Timestamp};
use fleetlog_messages::common::{Query, Refusal, Row};
use fleetlog_messages::envelope::Recorded;
use fleetlog_messages::subject::AggregateId;
use std::collections::BTreeMap;

pub const SCHEMA: &str = "test.TallyEvent";

/// A tally's aggregate.
pub fn tally(name: &str) -> AggregateId {
    AggregateId::global(Service::Registration, "tally", name)
}

/// Commands: `add N`, `set N` (nothing when it is N), `panic` (adds 1 once `mended` is tallied).
/// Each N of 10 and more is told on to the tally `<name>-echo`, and one of 1000 and more to the
/// tallies `<name>-1` to `<name>-<N / 1000>`, and is an effect of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally(pub BTreeMap<String, u64>);

impl Machine for Tally {
    type Effect = String;

    const SERVICE: Service = Service::Registration;

    fn apply(&mut self, commit: &Recorded) -> Result<(), Unreadable> {
        if commit.header.schema != SCHEMA {
            return Err(Unreadable::of(commit, "no tally"));
        }
        for event in &commit.events {
            let added = number(event).ok_or_else(|| Unreadable::of(commit, "no number"))?;
            *self.0.entry(commit.aggregate.name.clone()).or_default() += added;
        }
        Ok(())
    }

    fn react(&self, commit: &Recorded) -> Vec<Effect<String>> {
        let name = &commit.aggregate.name;
        let large = commit.events.iter().filter_map(|event| number(event)).filter(|n| *n >= 10);
        let follow = |n: u64| {
            let names: Vec<String> = match n / 1_000 {
                0 => vec![format!("{name}-echo")],
                parts => (1..=parts).map(|part| format!("{name}-{part}")).collect(),
            };
            let payload = Bytes::from(format!("add {}", n % 10));
            let tell = |name: String| Effect::Tell { to: tally(&name), payload: payload.clone() };
            let tells: Vec<_> = names.into_iter().map(tell).collect();
            tells.into_iter().chain([Effect::Own(name.clone())])
        };
        large.flat_map(follow).collect()
    }

    fn decide(&self, request: &Request) -> Result<Vec<Decided>, Denied> {
        let text = String::from_utf8_lossy(&request.payload).into_owned();
        let name = &request.target.name;
        let holds = self.0.get(name).copied().unwrap_or_default();
        let added = match text.split_once(' ') {
            Some(("add", "0")) => return Err(Denied::Refused(nothing_to_add(name))),
            Some(("add", n)) => n.parse::<u64>().ok(),
            Some(("set", n)) => n.parse::<u64>().ok().map(|n| n.saturating_sub(holds)),
            _ if text == "panic" && self.0.contains_key("mended") => Some(1),
            _ if text == "panic" => panic!("the machine broke"),
            _ => None,
        };
        match added.ok_or_else(|| Denied::Unreadable(format!("\"{text}\" is no command")))? {
            0 => Ok(vec![]),
            n => Ok(vec![Decided {
                aggregate: request.target.clone(),
                schema: SCHEMA,
                events: vec![("Added", Bytes::from(n.to_string()))],
            }]),
        }
    }

    fn answer(&self, query: &Query) -> Result<Vec<Bytes>, Refusal> {
        let wanted =
            self.0.iter().filter(|(name, _)| query.name.is_empty() || query.name == **name);
        Ok(wanted.map(|(name, n)| Bytes::from(format!("{name}={n}"))).collect())
    }

    fn question(
        &self,
        verb: &str,
        query: &Query,
        at: Timestamp,
    ) -> Option<Result<Vec<Bytes>, Refusal>> {
        let holds = self.0.get(&query.name).copied().unwrap_or_default();
        let sentence = || format!("{} holds {holds} at {}", query.name, at.seconds());
        (verb == "tell").then(|| Ok(vec![Bytes::from(sentence())]))
    }

    fn rows(&self) -> Vec<Row> {
        let row = |(name, n): (&String, &u64)| Row {
            key: format!("tally/{name}"),
            value: n.to_string().into_bytes(),
        };
        self.0.iter().map(row).collect()
    }

    fn restore(rows: &[Row]) -> Result<Self, String> {
        let read = |row: &Row| {
            let name = row.key.strip_prefix("tally/")?.to_owned();
            Some((name, number(&row.value)?))
        };
        let rows = rows.iter().map(|row| read(row).ok_or_else(|| row.key.clone()));
        rows.collect::<Result<_, _>>().map(Self)
    }
}

fn number(bytes: &[u8]) -> Option<u64> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

fn nothing_to_add(name: &str) -> Refusal {
    Refusal {
        code: "TST0001".to_owned(),
        sentence: format!("nothing is added to \"{name}\""),
        advice: "add more".to_owned(),
    }
}
