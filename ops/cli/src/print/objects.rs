//! Objects in every form that `get` prints: tables of their kinds' columns, names, JSON, YAML.

use crate::args::Output;
use crate::kinds::full_name;
use crate::print::table::Rows;
use fleetlog_kernel::Timestamp;
use fleetlog_messages::KindInfo;
use fleetlog_messages::common::Time;
use fleetlog_objects::age::human;
use fleetlog_objects::column;
use fleetlog_objects::{json_path, to_yaml};
use serde_json::{Value, json};

/// The objects of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing {
    /// The kind.
    pub info: &'static KindInfo,
    /// The objects as the hub serves them.
    pub objects: Vec<Value>,
}

/// How a table is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// A first column with the namespace.
    pub namespaces: bool,
    /// Names with their kind, because several kinds are shown.
    pub kinds: bool,
    /// More columns.
    pub wide: bool,
    /// No headings: rows that follow a table.
    pub bare: bool,
}

/// A column of a wide table: heading, type, path.
type WideColumn = (&'static str, &'static str, &'static str);

/// Columns of wide tables, beside those of the kinds: heading, type, path.
const WIDE: &[(&str, &[WideColumn])] = &[
    (
        "ManagedCluster",
        &[
            ("Version", "string", ".status.version.kubernetes"),
            ("CPU", "string", ".status.capacity.cpu"),
            ("Memory", "string", ".status.capacity.memory"),
            ("Taints", "string", ".spec.taints[*].key"),
        ],
    ),
    ("ManagedClusterSet", &[("Selector", "string", ".spec.clusterSelector.selectorType")]),
    (
        "ManagedClusterSetBinding",
        &[("Bound", "string", ".status.conditions[?(@.type==\"Bound\")].status")],
    ),
    (
        "Placement",
        &[
            ("ClusterSets", "string", ".spec.clusterSets[*]"),
            ("Wanted", "integer", ".spec.numberOfClusters"),
            ("Age", "date", ".metadata.creationTimestamp"),
        ],
    ),
    ("PlacementDecision", &[("Clusters", "string", ".status.decisions[*].clusterName")]),
    (
        "ManifestWork",
        &[
            ("Applied", "string", ".status.conditions[?(@.type==\"Applied\")].status"),
            ("Available", "string", ".status.conditions[?(@.type==\"Available\")].status"),
            ("Generation", "integer", ".metadata.generation"),
            ("Deleting", "string", ".status.conditions[?(@.type==\"Deleting\")].message"),
        ],
    ),
    (
        "ManifestWorkReplicaSet",
        &[
            ("Total", "integer", ".status.summary.total"),
            ("Available", "integer", ".status.summary.available"),
            ("Age", "date", ".metadata.creationTimestamp"),
        ],
    ),
    (
        "ClusterManagementAddOn",
        &[
            ("Default", "string", ".status.defaultconfigReferences[*].desiredConfig.name"),
            ("Placements", "string", ".spec.installStrategy.placements[*].name"),
        ],
    ),
    (
        "ManagedClusterAddOn",
        &[
            ("Template", "string", ".status.configReferences[*].name"),
            ("Reason", "string", ".status.conditions[?(@.type==\"Available\")].reason"),
            ("Age", "date", ".metadata.creationTimestamp"),
        ],
    ),
    ("AddOnTemplate", &[("Age", "date", ".metadata.creationTimestamp")]),
];

/// Listings in the asked form. `single`: one named object was asked for, so no list is made of it.
#[must_use]
pub fn render(
    listings: &[Listing],
    output: Output,
    single: bool,
    layout: Layout,
    now: Timestamp,
) -> String {
    match output {
        Output::Table | Output::Wide => {
            let layout = Layout { wide: output == Output::Wide, ..layout };
            let shown = listings.iter().filter(|listing| !listing.objects.is_empty());
            let tables: Vec<_> = shown.map(|listing| table(listing, layout, now)).collect();
            tables.join("\n")
        }
        Output::Name => names(listings),
        Output::Json => {
            let document = document(listings, single);
            let text = serde_json::to_string_pretty(&document);
            text.unwrap_or_else(|_| document.to_string()) + "\n"
        }
        Output::Yaml => to_yaml(&document(listings, single)),
    }
}

/// One object as it is, anything else as a list.
fn document(listings: &[Listing], single: bool) -> Value {
    let mut items: Vec<Value> = listings.iter().flat_map(|l| l.objects.clone()).collect();
    if single && items.len() == 1 {
        return items.remove(0);
    }
    json!({ "apiVersion": "v1", "kind": "List", "items": items })
}

fn names(listings: &[Listing]) -> String {
    let mut text = String::new();
    for Listing { info, objects } in listings {
        for object in objects {
            text.push_str(&full_name(info, name_of(object)));
            text.push('\n');
        }
    }
    text
}

/// The name of an object.
#[must_use]
pub fn name_of(object: &Value) -> &str {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}

/// The namespace of an object.
#[must_use]
pub fn namespace_of(object: &Value) -> Option<&str> {
    object.pointer("/metadata/namespace").and_then(Value::as_str)
}

/// A table of one kind.
#[must_use]
pub fn table(listing: &Listing, layout: Layout, now: Timestamp) -> String {
    let Listing { info, objects } = listing;
    let columns = columns(info, layout.wide);
    let namespaces = layout.namespaces && info.namespaced;
    let headings = namespaces.then_some("namespace").into_iter().chain(["name"]);
    let mut rows = Rows::new(headings.chain(columns.iter().map(|(name, ..)| *name)));
    for object in objects {
        let mut cells = vec![];
        if namespaces {
            cells.push(namespace_of(object).unwrap_or_default().to_owned());
        }
        let name = name_of(object);
        cells.push(if layout.kinds { full_name(info, name) } else { name.to_owned() });
        cells.extend(columns.iter().map(|(_, kind, path)| cell(object, kind, path, now)));
        rows.push(cells);
    }
    if layout.bare { rows.render_bare() } else { rows.render() }
}

fn columns(info: &KindInfo, wide: bool) -> Vec<(&'static str, &'static str, &'static str)> {
    let own = info.columns.iter().filter(|column| wide || column.priority == 0);
    let own = own.map(|column| (column.name, column.kind, column.json_path));
    let more = WIDE.iter().find(|(kind, _)| wide && *kind == info.kind).map(|(_, more)| *more);
    let mut all: Vec<_> = own.chain(more.into_iter().flatten().copied()).collect();
    if all.is_empty() {
        all.push(("Age", "date", ".metadata.creationTimestamp"));
    }
    // The age stands last, whatever was added.
    all.sort_by_key(|(name, ..)| *name == "Age");
    all
}

fn cell(object: &Value, kind: &str, path: &str, now: Timestamp) -> String {
    if kind == "count" {
        return json_path::count(object, path).to_string();
    }
    if let Some(computed) = column::computed(object, kind, path) {
        return computed;
    }
    let found = json_path::find(object, path);
    if kind == "date" {
        return found
            .first()
            .and_then(|value| value.as_str())
            .map(|text| age(text, now))
            .unwrap_or_default();
    }
    let text = |value: &&Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    found.iter().map(text).collect::<Vec<_>>().join(",")
}

/// How long ago a time is, as kubectl says it.
#[must_use]
pub fn age(text: &str, now: Timestamp) -> String {
    Time::parse(text).map_or("<invalid>".to_owned(), |time| human(now.seconds() - time.seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::find;

    fn cluster(name: &str, accepted: bool) -> Value {
        json!({
            "apiVersion": "cluster.open-cluster-management.io/v1", "kind": "ManagedCluster",
            "metadata": {"name": name, "creationTimestamp": "2026-03-01T09:00:00Z"},
            "spec": {"hubAcceptsClient": accepted},
            "status": {"conditions": [{"type": "ManagedClusterJoined", "status": "True"}],
                "version": {"kubernetes": "v1.36.0"}},
        })
    }

    fn listing(objects: Vec<Value>) -> Listing {
        Listing { info: find("mcl").unwrap(), objects }
    }

    const NOW: Timestamp = Timestamp::of_seconds(1_772_355_600 + 200);

    #[test]
    fn a_table_has_the_columns_of_its_kind() {
        let text = table(&listing(vec![cluster("cluster1", true)]), Layout::default(), NOW);
        assert_eq!(
            text,
            "NAME       HUB ACCEPTED   MANAGED CLUSTER URLS   JOINED   AVAILABLE   AGE\n\
             cluster1   true                                  True                 3m20s\n"
        );
        let layout = Layout { kinds: true, wide: true, ..Layout::default() };
        let text = table(&listing(vec![cluster("c", false)]), layout, NOW);
        assert!(text.contains("VERSION") && text.contains("v1.36.0"), "{text}");
        assert!(text.contains("managedcluster.cluster.open-cluster-management.io/c"), "{text}");
        assert!(text.lines().next().is_some_and(|headings| headings.ends_with("AGE")));
    }

    #[test]
    fn namespaces_come_first_and_rows_can_follow_without_headings() {
        let info = find("placement").unwrap();
        let object = json!({"metadata": {"name": "p", "namespace": "team"},
            "status": {"numberOfSelectedClusters": 2}});
        let listing = Listing { info, objects: vec![object] };
        let layout = Layout { namespaces: true, ..Layout::default() };
        let text = table(&listing, layout, NOW);
        assert!(text.starts_with("NAMESPACE   NAME   SUCCEEDED"), "{text}");
        let bare = table(&listing, Layout { bare: true, ..layout }, NOW);
        assert!(bare.starts_with("team"), "{bare}");
    }

    #[test]
    fn json_of_anything_but_one_named_object_is_a_list() {
        let json = |objects: Vec<Value>, single| {
            let listings = [listing(objects)];
            let text = render(&listings, Output::Json, single, Layout::default(), NOW);
            serde_json::from_str::<Value>(&text).unwrap()
        };
        assert_eq!(json(vec![], false), json!({"apiVersion": "v1", "kind": "List", "items": []}));
        assert_eq!(json(vec![cluster("a", true)], false)["items"][0]["kind"], "ManagedCluster");
        assert_eq!(json(vec![cluster("a", true)], true)["kind"], "ManagedCluster");
        assert_eq!(json(vec![cluster("a", true), cluster("b", true)], true)["kind"], "List");
        let listings = [listing(vec![cluster("a", true)])];
        let yaml = render(&listings, Output::Yaml, true, Layout::default(), NOW);
        let back = fleetlog_objects::yaml(&yaml).unwrap();
        assert_eq!(back, [cluster("a", true)]);
        let names = render(&listings, Output::Name, false, Layout::default(), NOW);
        assert_eq!(names, "managedcluster.cluster.open-cluster-management.io/a\n");
    }
}
