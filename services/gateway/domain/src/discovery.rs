//! Discovery: which groups, versions and resources there are, aggregated and plain (spec/gateway
//! 2).

use crate::kinds::{Kind, Part, versions};
use serde_json::{Value, json};

/// The content type of the aggregated form.
pub const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Groups in the order of the protos, each with its versions.
fn all() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut groups: Vec<(&str, Vec<&str>)> = vec![];
    for Kind(info) in versions() {
        match groups.iter_mut().find(|(group, _)| *group == info.group) {
            Some((_, versions)) if versions.contains(&info.version) => {}
            Some((_, versions)) => versions.push(info.version),
            None => groups.push((info.group, vec![info.version])),
        }
    }
    for (_, versions) in &mut groups {
        versions.sort_by_key(|version| std::cmp::Reverse(priority(version)));
    }
    groups
}

/// Stable before beta before alpha, then the newest first.
fn priority(version: &str) -> (u8, u64, u64) {
    let number = |text: &str| text.parse().unwrap_or_default();
    let rest = version.trim_start_matches('v');
    for (rank, word) in [(1, "beta"), (0, "alpha")] {
        if let Some((major, minor)) = rest.split_once(word) {
            return (rank, number(major), number(minor));
        }
    }
    (2, number(rest), 0)
}

/// What answers `/api` (`core`) and `/apis`.
#[must_use]
pub fn groups(core: bool, aggregated: bool) -> Value {
    let groups: Vec<_> = all().into_iter().filter(|(group, _)| group.is_empty() == core).collect();
    if aggregated {
        let items: Vec<Value> =
            groups.iter().map(|(group, versions)| item(group, versions)).collect();
        return json!({
            "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2",
            "metadata": {}, "items": items,
        });
    }
    if core {
        let versions: Vec<&str> = groups.into_iter().flat_map(|(_, versions)| versions).collect();
        return json!({
            "kind": "APIVersions", "versions": versions, "serverAddressByClientCIDRs": [],
        });
    }
    let groups: Vec<Value> =
        groups.iter().map(|(group, versions)| plain(group, versions)).collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

/// What answers `/apis/<group>`.
#[must_use]
pub fn group(name: &str) -> Option<Value> {
    let (group, versions) = all().into_iter().find(|(group, _)| *group == name)?;
    let mut found = plain(group, &versions);
    found["kind"] = json!("APIGroup");
    found["apiVersion"] = json!("v1");
    Some(found)
}

fn plain(group: &str, versions: &[&str]) -> Value {
    let version = |version: &&str| {
        let group_version = format!("{group}/{version}");
        json!({ "groupVersion": group_version, "version": version })
    };
    let versions: Vec<Value> = versions.iter().map(version).collect();
    json!({ "name": group, "versions": versions, "preferredVersion": versions.first() })
}

fn item(group: &str, versions: &[&str]) -> Value {
    let version = |version: &&str| {
        let resources: Vec<Value> = of(group, version).map(discovered).collect();
        json!({ "version": version, "freshness": "Current", "resources": resources })
    };
    let versions: Vec<Value> = versions.iter().map(version).collect();
    json!({ "metadata": { "name": group, "creationTimestamp": null }, "versions": versions })
}

fn of<'a>(group: &'a str, version: &'a str) -> impl Iterator<Item = Kind> + 'a {
    versions().filter(move |kind| (kind.0.group, kind.0.version) == (group, version))
}

fn discovered(kind: Kind) -> Value {
    let info = kind.0;
    let response = json!({ "group": info.group, "version": info.version, "kind": info.kind });
    let mut resource = json!({
        "resource": info.plural, "responseKind": response, "singularResource": info.singular,
        "scope": if info.namespaced { "Namespaced" } else { "Cluster" },
        "verbs": kind.verbs(),
    });
    if !info.short_names.is_empty() {
        resource["shortNames"] = json!(info.short_names);
    }
    let part = |part: &Part| {
        let (group, version, kind) = part.of.unwrap_or((info.group, info.version, info.kind));
        let response = json!({ "group": group, "version": version, "kind": kind });
        json!({ "subresource": part.name, "responseKind": response, "verbs": part.verbs })
    };
    let parts: Vec<Value> = kind.parts().iter().map(part).collect();
    if !parts.is_empty() {
        resource["subresources"] = json!(parts);
    }
    if let Some(category) = category(kind) {
        resource["categories"] = json!([category]);
    }
    resource
}

fn category(kind: Kind) -> Option<&'static str> {
    (kind.0.kind == "CustomResourceDefinition").then_some("api-extensions")
}

/// What answers `/api/<version>` and `/apis/<group>/<version>`: `None` when nothing is served.
#[must_use]
pub fn resources(group: &str, version: &str) -> Option<Value> {
    let mut resources = vec![];
    for kind in of(group, version) {
        let info = kind.0;
        let mut resource = json!({
            "name": info.plural, "singularName": info.singular, "namespaced": info.namespaced,
            "kind": info.kind, "verbs": kind.verbs(),
        });
        if !info.short_names.is_empty() {
            resource["shortNames"] = json!(info.short_names);
        }
        if let Some(category) = category(kind) {
            resource["categories"] = json!([category]);
        }
        resources.push(resource);
        for part in kind.parts() {
            let mut found = json!({
                "name": format!("{}/{}", info.plural, part.name), "singularName": "",
                "namespaced": info.namespaced, "kind": info.kind, "verbs": part.verbs,
            });
            if let Some((group, version, kind)) = part.of {
                found["kind"] = json!(kind);
                found["group"] = json!(group);
                found["version"] = json!(version);
            }
            resources.push(found);
        }
    }
    let group_version = match group {
        "" => version.to_owned(),
        group => format!("{group}/{version}"),
    };
    let found = json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version,
        "resources": resources,
    });
    (!resources.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDONS: &str = "addon.open-cluster-management.io";

    #[test]
    fn gw001_every_kind_is_discovered_with_what_can_be_done_with_it() {
        let found = groups(false, true);
        let items = found["items"].as_array().unwrap();
        let all = items.iter().flat_map(|item| item["versions"].as_array().unwrap());
        let all: Vec<&Value> =
            all.flat_map(|version| version["resources"].as_array().unwrap()).collect();
        let core = groups(true, true);
        let plain = core["items"][0]["versions"][0]["resources"].as_array().unwrap();
        assert_eq!(core["items"][0]["metadata"]["name"], "");
        assert_eq!(all.len() + plain.len(), versions().count());
        let accounts = plain.iter().find(|found| found["resource"] == "serviceaccounts").unwrap();
        let token = &accounts["subresources"][0];
        assert_eq!(
            (&token["subresource"], &token["responseKind"]["kind"]),
            (&json!("token"), &json!("TokenRequest"))
        );
        let addons = items.iter().find(|item| item["metadata"]["name"] == ADDONS).unwrap();
        let addons = addons["versions"].as_array().unwrap();
        assert_eq!(addons[0]["version"], "v1beta1", "what kubectl takes unasked");
        assert_eq!(addons[1]["version"], "v1alpha1");
        assert_eq!(addons[0]["resources"].as_array().unwrap().len(), 4);
        let of = |name: &str| *all.iter().find(|found| found["resource"] == name).unwrap();
        let cluster = of("managedclusters");
        assert_eq!(cluster["scope"], "Cluster");
        assert_eq!(cluster["shortNames"], json!(["mcl", "mcls"]));
        assert_eq!(cluster["subresources"][0]["subresource"], "status");
        assert_eq!(of("placementdecisions")["verbs"], cluster["verbs"]);
        assert_eq!(of("addontemplates").get("subresources"), None);
        assert_eq!(of("subjectaccessreviews")["verbs"], json!(["create"]));
    }

    #[test]
    fn gw002_the_plain_form_lists_groups_and_the_resources_of_a_version() {
        assert_eq!(groups(false, false)["kind"], "APIGroupList");
        let group_of = group("cluster.open-cluster-management.io").unwrap();
        assert_eq!(group_of["preferredVersion"]["version"], "v1");
        let found = resources("cluster.open-cluster-management.io", "v1beta2").unwrap();
        let names: Vec<&str> = found["resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|resource| resource["name"].as_str().unwrap())
            .collect();
        let wanted = [
            "managedclustersets",
            "managedclustersets/status",
            "managedclustersetbindings",
            "managedclustersetbindings/status",
        ];
        assert_eq!(names, wanted);
        assert_eq!(resources("apps", "v1"), None);
        assert_eq!(groups(true, false)["versions"], json!(["v1"]));
        assert_eq!(resources("", "v1").unwrap()["groupVersion"], "v1");
    }

    #[test]
    fn stable_versions_come_before_beta_and_alpha() {
        let mut versions = ["v1alpha1", "v1beta1", "v2", "v1", "v1beta2"];
        versions.sort_by_key(|version| std::cmp::Reverse(priority(version)));
        assert_eq!(versions, ["v2", "v1", "v1beta2", "v1beta1", "v1alpha1"]);
    }
}
