//! What differs in one object between two moments: as a unified diff of its YAML for people, as a
//! JSON patch for programs, with the events in between. Where both come from is not known here.

use crate::log::Line;
use crate::print::paint::Paint;
use fleetlog_objects::to_yaml;
use serde_json::{Value, json};
use similar::TextDiff;

/// An object at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    /// The position of the moment.
    pub position: u64,
    /// When the commit there was decided, RFC 3339.
    pub time: String,
    /// The object as the hub served it then; `None` when it was not there.
    pub object: Option<Value>,
}

impl Side {
    fn yaml(&self) -> String {
        self.object.as_ref().map(to_yaml).unwrap_or_default()
    }

    /// As the head of a diff names it: a name, a tab, when.
    fn head(&self, name: &str) -> String {
        let name = if self.object.is_some() { name } else { "/dev/null" };
        let time = self.time.replace('T', " ");
        format!("{name}\tposition {}  {}", self.position, time.trim_end_matches('Z'))
    }

    fn json(&self) -> Value {
        json!({
            "position": self.position, "time": self.time, "present": self.object.is_some(),
        })
    }
}

/// One object at two moments.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// KIND/NAMESPACE/NAME.
    pub name: String,
    /// The first moment.
    pub from: Side,
    /// The second one; may be the earlier.
    pub to: Side,
    /// The events between them that touched it, in order.
    pub events: Vec<Line>,
}

impl Difference {
    /// Whether there is one.
    #[must_use]
    pub fn is_some(&self) -> bool {
        self.from.object != self.to.object
    }

    /// For people: what happened, what is not there, and a unified diff of the YAML.
    #[must_use]
    pub fn text(&self, paint: Paint) -> String {
        let mut text = self.happened(paint);
        let (name, from, to) = (&self.name, self.from.position, self.to.position);
        if !self.is_some() {
            let same = format!("{name} is the same at positions {from} and {to}\n");
            return text + &same;
        }
        for side in [&self.from, &self.to] {
            if side.object.is_none() {
                text.push_str(&format!("{name} is not there at position {}\n", side.position));
            }
        }
        let (old, new) = (self.from.yaml(), self.to.yaml());
        let compared = TextDiff::from_lines(&old, &new);
        let heads = (self.from.head(name), self.to.head(name));
        let unified = compared.unified_diff().header(&heads.0, &heads.1).to_string();
        for (index, line) in unified.lines().enumerate() {
            text.push_str(&painted(paint, index, line));
            text.push('\n');
        }
        text
    }

    /// The events between the moments, as `fleetlog log` shows them.
    fn happened(&self, paint: Paint) -> String {
        let positions = [self.from.position, self.to.position];
        let (first, last) = (positions.iter().min(), positions.iter().max());
        let (first, last) = (first.unwrap_or(&0), last.unwrap_or(&0));
        let count = match self.events.len() {
            0 => return String::new(),
            1 => "1 event".to_owned(),
            many => format!("{many} events"),
        };
        let lines: String = self.events.iter().map(|line| line.text(paint) + "\n").collect();
        format!("{count} after position {first}, up to {last}:\n{lines}")
    }

    /// For programs: both ends, the RFC 6902 patch that makes the second of the first, the events.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "object": self.name,
            "from": self.from.json(),
            "to": self.to.json(),
            "patch": self.patch(),
            "events": self.events,
        })
    }

    fn patch(&self) -> Value {
        match (&self.from.object, &self.to.object) {
            (Some(from), Some(to)) => json!(json_patch::diff(from, to)),
            (None, Some(to)) => json!([{ "op": "add", "path": "", "value": to }]),
            (Some(_), None) => json!([{ "op": "remove", "path": "" }]),
            (None, None) => json!([]),
        }
    }
}

/// A line of a unified diff; the first two name its sides.
fn painted(paint: Paint, index: usize, line: &str) -> String {
    match line.as_bytes().first() {
        _ if index < 2 => paint.bold(line),
        Some(b'@') => paint.dim(line),
        Some(b'-') => paint.gone(line),
        Some(b'+') => paint.come(line),
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(position: u64, object: Option<Value>) -> Side {
        Side { position, time: format!("2026-03-01T09:00:0{position}.000Z"), object }
    }

    fn event() -> Line {
        Line {
            position: 4,
            time: "2026-03-01T09:00:04.000Z".into(),
            actor: "admin".into(),
            service: "registration".into(),
            object: "ManagedCluster/c1".into(),
            kind: "ClusterLabelled".into(),
            says: "admin changes cluster c1".into(),
            cause: 0,
            command: "c".into(),
        }
    }

    fn difference(from: Option<Value>, to: Option<Value>) -> Difference {
        let (from, to) = (side(3, from), side(5, to));
        Difference { name: "ManagedCluster/c1".into(), from, to, events: vec![event()] }
    }

    fn cluster(region: &str) -> Value {
        json!({"kind": "ManagedCluster", "metadata": {"labels": {"-- x": "1", "region": region}}})
    }

    #[test]
    fn what_changed_is_a_unified_diff_under_what_happened() {
        let text = difference(Some(cluster("east")), Some(cluster("west"))).text(Paint::Off);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "1 event after position 3, up to 5:");
        assert_eq!(lines[1], "     4  2026-03-01 09:00:04.000  admin changes cluster c1");
        assert_eq!(lines[2], "--- ManagedCluster/c1\tposition 3  2026-03-01 09:00:03.000");
        assert_eq!(lines[3], "+++ ManagedCluster/c1\tposition 5  2026-03-01 09:00:05.000");
        assert!(lines[4].starts_with("@@ "), "{text}");
        assert!(lines.contains(&"-    region: east"), "{text}");
        assert!(lines.contains(&"+    region: west"), "{text}");
        assert!(lines.contains(&" metadata:"), "{text}");
    }

    #[test]
    fn colours_follow_what_a_line_is_and_not_how_it_reads() {
        let text = difference(Some(cluster("east")), None).text(Paint::On);
        assert!(text.contains("\u{1b}[31m-    region: east"), "{text}");
        let odd = text.lines().find(|line| line.contains("-- x")).unwrap();
        assert!(odd.starts_with("\u{1b}[31m-"), "{odd}");
        let heads = text.lines().filter(|line| line.starts_with("\u{1b}[1m")).count();
        assert_eq!(heads, 2 + 1, "the two heads, and the position of the event: {text}");
    }

    #[test]
    fn an_object_that_is_not_there_is_said_to_be_missing() {
        let made = difference(None, Some(cluster("east")));
        let text = made.text(Paint::Off);
        assert!(text.contains("ManagedCluster/c1 is not there at position 3\n"), "{text}");
        assert!(text.contains("--- /dev/null\tposition 3"), "{text}");
        assert!(text.contains("\n+kind: ManagedCluster\n"), "{text}");
        assert_eq!(made.json()["from"]["present"], json!(false));
        assert_eq!(made.json()["patch"][0]["op"], json!("add"));
        let gone = difference(Some(cluster("east")), None);
        assert!(gone.text(Paint::Off).contains("is not there at position 5\n"));
        assert_eq!(gone.json()["patch"], json!([{"op": "remove", "path": ""}]));
    }

    #[test]
    fn what_is_the_same_says_so_and_has_an_empty_patch() {
        let same = difference(Some(cluster("east")), Some(cluster("east")));
        assert!(!same.is_some());
        let text = same.text(Paint::Off);
        assert!(text.ends_with("ManagedCluster/c1 is the same at positions 3 and 5\n"), "{text}");
        assert_eq!(same.json()["patch"], json!([]));
    }

    #[test]
    fn the_patch_makes_the_second_of_the_first() {
        let (mut from, to) = (cluster("east"), cluster("west"));
        let json = difference(Some(from.clone()), Some(to.clone())).json();
        let patch: json_patch::Patch = serde_json::from_value(json["patch"].clone()).unwrap();
        json_patch::patch(&mut from, &patch).unwrap();
        assert_eq!(from, to);
        assert_eq!(json["events"][0]["position"], json!(4));
        assert_eq!(json["events"][0]["type"], json!("ClusterLabelled"));
        assert_eq!(json["events"][0]["actor"], json!("admin"));
    }
}
