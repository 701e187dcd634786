//! Every decoder of the hub API against what nobody means well: valid bodies, patches, parameters
//! and paths that are cut, doubled and changed. None may panic, and what is answered is a refusal
//! of the caller or something that was read.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use fleetlog_gateway_domain::{
    Body, Form, Include, Kind, PatchKind, Status, Taken, Token, Unknown, Way, body, created, find,
    list, patched, route, updated, watch, watches, write,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

fn maps() -> Kind {
    find("", "v1", "configmaps").unwrap()
}

fn placements() -> Kind {
    find("cluster.open-cluster-management.io", "v1beta1", "placements").unwrap()
}

/// Refusals of decoders are the caller's fault.
fn is_his_fault<T>(read: Result<T, Status>) -> Option<T> {
    read.map_err(|status| assert!((400..500).contains(&status.code), "{status:?}")).ok()
}

/// What is done to bytes that were good.
#[derive(Clone, Debug)]
enum Harm {
    Cut(prop::sample::Index),
    Change(prop::sample::Index, u8),
    Double(prop::sample::Index, prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
}

fn harm() -> impl Strategy<Value = Harm> {
    let at = any::<prop::sample::Index>;
    let odd = prop::sample::select(vec![
        b"{".to_vec(),
        b"[".to_vec(),
        b"\"".to_vec(),
        b"\\u0000".to_vec(),
        b"\xff\xfe".to_vec(),
        b"null".to_vec(),
        b"1e999".to_vec(),
        b"&a *a".to_vec(),
        b"\0".to_vec(),
        b"%".to_vec(),
        b"~1~0~".to_vec(),
        b"..".to_vec(),
        b"/-".to_vec(),
        vec![0x80; 12],
    ]);
    prop_oneof![
        at().prop_map(Harm::Cut),
        (at(), any::<u8>()).prop_map(|(at, byte)| Harm::Change(at, byte)),
        (at(), at()).prop_map(|(from, to)| Harm::Double(from, to)),
        (at(), odd).prop_map(|(at, bytes)| Harm::Insert(at, bytes)),
    ]
}

fn harmed(good: &[u8], harms: &[Harm]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for harm in harms {
        let len = bytes.len().max(1);
        match harm {
            Harm::Cut(at) => bytes.truncate(at.index(len)),
            Harm::Change(at, byte) => {
                let at = at.index(len);
                bytes.get_mut(at).into_iter().for_each(|old| *old = *byte);
            }
            Harm::Double(from, to) => {
                let (from, to) = (from.index(len), to.index(len));
                let part = bytes.get(from.min(to)..from.max(to)).unwrap_or_default().to_vec();
                bytes.extend(part);
            }
            Harm::Insert(at, odd) => {
                let at = at.index(len).min(bytes.len());
                bytes.splice(at..at, odd.iter().copied());
            }
        }
    }
    bytes
}

fn harms() -> impl Strategy<Value = Vec<Harm>> {
    prop::collection::vec(harm(), 0..4)
}

/// A text with what harm leaves readable of it.
fn text(good: &str, harms: &[Harm]) -> String {
    String::from_utf8_lossy(&harmed(good.as_bytes(), harms)).into_owned()
}

fn map() -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "m", "namespace": "t", "uid": "u", "resourceVersion": "7",
            "labels": {"a": "b"}, "finalizers": ["x/y"],
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "1"}]},
        "data": {"a": "1"}, "binaryData": {"b": "eA=="},
    })
}

/// The same without what no new object has.
fn fresh((mut object, twice): Body) -> Body {
    if let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        metadata.remove("resourceVersion");
    }
    (object, twice)
}

/// A secret in Kubernetes' binary form, by hand: the magic, the envelope, the object.
fn binary() -> Vec<u8> {
    let field = |number: u8, bytes: &[u8]| {
        let mut out = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap()];
        out.extend(bytes);
        out
    };
    let kind = [field(1, b"v1"), field(2, b"Secret")].concat();
    let entry = [field(1, b"k"), field(2, b"\xff\0")].concat();
    let secret = [field(1, &field(1, b"s")), field(2, &entry)].concat();
    [b"k8s\0".to_vec(), field(1, &kind), field(2, &secret)].concat()
}

#[test]
fn the_bodies_that_are_harmed_below_are_good() {
    let read = body(&binary(), PROTOBUF, Taken::of(maps())).unwrap().0;
    assert_eq!((&read["kind"], &read["data"]["k"]), (&json!("Secret"), &json!("/wA=")));
    let given = body(map().to_string().as_bytes(), JSON, Taken::of(maps())).unwrap();
    updated(maps(), &map(), given.clone(), Unknown::Warn, (Way::Put, false)).unwrap();
    created(maps(), Some("t"), fresh(given), Unknown::Warn).unwrap();
}

#[test]
fn what_is_nested_a_thousand_deep_is_refused() {
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(1_000), close.repeat(1_000));
    let bodies = [deep("[", "]"), deep("{\"a\":", "}"), "[".repeat(100_000)];
    for text in &bodies {
        for kind in [JSON, YAML] {
            assert_eq!(body(text.as_bytes(), kind, Taken::of(maps())).unwrap_err().code, 400);
        }
        for kind in [PatchKind::Merge, PatchKind::Json, PatchKind::Strategic] {
            assert_eq!(patched(kind, &map(), text.as_bytes()).unwrap_err().code, 400);
        }
    }
}

#[test]
fn aliases_of_yaml_do_not_multiply_without_bound() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let last = format!("*a{},", level - 1).repeat(10);
        text.push_str(&format!("a{level}: &a{level} [{last}]\n"));
    }
    let read = is_his_fault(body(text.as_bytes(), YAML, Taken::of(maps())));
    assert!(read.is_none_or(|(value, _)| value.to_string().len() < 16 * 1_024 * 1_024));
}

#[test]
fn bytes_that_are_no_utf8_are_refused() {
    for kind in [JSON, YAML] {
        let given = b"{\"metadata\": {\"name\": \"\xff\xfe\"}}";
        assert_eq!(body(given, kind, Taken::of(maps())).unwrap_err().code, 400, "{kind}");
    }
}

proptest! {
    #[test]
    fn a_harmed_body_is_read_or_refused(harms in harms()) {
        let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata: &m {name: a}\ndata: {a: '1'}\n";
        let given = [
            (JSON, harmed(map().to_string().as_bytes(), &harms)),
            (YAML, harmed(yaml.as_bytes(), &harms)),
            (PROTOBUF, harmed(&binary(), &harms)),
        ];
        for (kind, bytes) in given {
            let Some(read) = is_his_fault(body(&bytes, kind, Taken::of(maps()))) else { continue };
            for unknown in [Unknown::Ignore, Unknown::Warn, Unknown::Strict] {
                is_his_fault(created(maps(), Some("t"), fresh(read.clone()), unknown));
                is_his_fault(created(placements(), Some("t"), fresh(read.clone()), unknown));
                is_his_fault(updated(maps(), &map(), read.clone(), unknown, (Way::Put, false)));
            }
        }
    }

    #[test]
    fn a_harmed_patch_is_laid_over_or_refused(harms in harms()) {
        let merge = json!({"metadata": {"labels": {"a": null}}, "data": {"a": {"b": []}}});
        let json_patch = json!([
            {"op": "test", "path": "/data/a", "value": "1"},
            {"op": "move", "from": "/data/a", "path": "/data/c~1d"},
            {"op": "copy", "from": "/metadata", "path": "/metadata/labels/x"},
            {"op": "add", "path": "/metadata/finalizers/-", "value": "z/z"},
            {"op": "remove", "path": "/metadata/finalizers/0"},
        ]);
        let strategic = json!({
            "metadata": {"finalizers": ["z/z"], "$deleteFromPrimitiveList/finalizers": ["x/y"],
                "$setElementOrder/finalizers": ["z/z", "x/y"],
                "ownerReferences": [{"uid": "1", "$patch": "delete"}, {"uid": "2", "name": "n"}]},
            "data": {"$patch": "replace", "b": "2"}, "$retainKeys": ["data"],
        });
        let patches = [
            (PatchKind::Merge, merge),
            (PatchKind::Json, json_patch),
            (PatchKind::Strategic, strategic),
        ];
        for (kind, patch) in patches {
            let bytes = harmed(patch.to_string().as_bytes(), &harms);
            let Some(after) = is_his_fault(patched(kind, &map(), &bytes)) else { continue };
            let how = (Way::Patch, false);
            is_his_fault(updated(maps(), &map(), (after, vec![]), Unknown::Warn, how));
        }
    }

    #[test]
    fn harmed_parameters_are_read_or_refused(harms in harms()) {
        let query = "labelSelector=a+in+%28b%2Cc%29%2C%21d%2Ce%3D%3Df&\
            fieldSelector=metadata.name%3Dm%2Cmetadata.namespace%21%3Dt&\
            limit=5&resourceVersion=9&resourceVersionMatch=Exact&\
            timeoutSeconds=7&allowWatchBookmarks=true&sendInitialEvents=true&watch=1&dryRun=All&\
            fieldValidation=Strict&fieldManager=x&includeObject=Metadata&force=true";
        let query = text(query, &harms);
        for kind in [maps(), placements()] {
            is_his_fault(list(&query, kind));
            is_his_fault(watch(&query, kind));
        }
        is_his_fault(watches(&query));
        is_his_fault(write(&query));
        is_his_fault(Include::of(&query));
    }

    #[test]
    fn harmed_tokens_forms_and_paths_are_read_or_refused(harms in harms()) {
        let key = fleetlog_gateway_domain::Key { namespace: "t".into(), name: "m".into() };
        is_his_fault(Token::read(&text(&Token::new(704, &key).text(), &harms)));
        let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/yaml;q=0.5,*/*";
        is_his_fault(Form::of(&text(accept, &harms)));
        for kind in [maps(), placements()] {
            is_his_fault(PatchKind::of(kind, &text("application/merge-patch+json; x=y", &harms)));
        }
        let group = "/apis/work.open-cluster-management.io";
        let path = format!("{group}/v1/namespaces/c%31/manifestworks/w/status");
        let _ = route(&text(&path, &harms));
    }
}
