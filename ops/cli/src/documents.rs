//! Files, folders and standard input to checked objects. Everything that can be wrong with them is
//! found here, before anything is sent.

use crate::failure::Failure;
use crate::target::{DEFAULT_NAMESPACE, Target};
use fleetlog_messages::KindInfo;
use fleetlog_objects::{Admitted, Refusal, admit, documents, kind_of, strip_served};
use serde_json::Value;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// A text and what to call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The file's name, or `standard input`.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// An object of a user, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// Which object.
    pub target: Target,
    /// Where it stands, for messages.
    pub place: String,
    /// The object: pruned, defaults filled in, without status and what else only the hub writes.
    pub object: Value,
}

/// Reads files, the YAML and JSON files of folders, and `-`.
///
/// # Errors
/// What cannot be read.
pub fn sources(paths: &[PathBuf]) -> Result<Vec<Source>, Failure> {
    let mut found = vec![];
    for path in paths {
        if path.as_os_str() == "-" {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map_err(|error| unreadable(path, &error))?;
            found.push(Source { name: "standard input".to_owned(), text });
        } else if path.is_dir() {
            for file in files_of(path)? {
                found.push(source(&file)?);
            }
        } else {
            found.push(source(path)?);
        }
    }
    Ok(found)
}

fn source(path: &Path) -> Result<Source, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    Ok(Source { name: path.display().to_string(), text })
}

fn files_of(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let wanted = |path: &PathBuf| {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        path.is_file() && ["yaml", "yml", "json"].contains(&ending)
    };
    let entries = std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    let mut files: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(wanted).collect();
    files.sort();
    if files.is_empty() {
        let sentence = format!("\"{}\" holds no .yaml, .yml or .json file", folder.display());
        return Err(Failure::new("CLI0017", sentence, "name a file, or another folder"));
    }
    Ok(files)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let sentence = format!("\"{}\" cannot be read: {error}", path.display());
    Failure::new("CLI0004", sentence, "check the name, and that it is a text you may read")
}

/// Reads every object of some texts; lists are taken apart.
///
/// # Errors
/// Everything that is wrong, each with its place.
pub fn read(sources: &[Source], namespace: Option<&str>) -> Result<Vec<Given>, Failure> {
    let (mut given, mut wrong) = (vec![], vec![]);
    for (place, object) in values(sources, &mut wrong) {
        match check(&place, object, namespace) {
            Ok(object) => given.push(object),
            Err(failures) => wrong.extend(failures),
        }
    }
    if let Some(failure) = Failure::all(wrong) {
        return Err(failure);
    }
    match twice(&given) {
        Some(failure) => Err(failure),
        None if given.is_empty() => {
            let sentence = "there is no object in what was given";
            Err(Failure::new("CLI0018", sentence, "give at least one document"))
        }
        None => Ok(given),
    }
}

/// Every object of some texts as it is written, unchecked; lists are taken apart.
///
/// # Errors
/// Texts that cannot be read.
pub fn whole(sources: &[Source]) -> Result<Vec<(String, Value)>, Failure> {
    let mut wrong = vec![];
    let values = values(sources, &mut wrong);
    Failure::all(wrong).map_or(Ok(values), Err)
}

/// What files name: kinds and names alone are read, the rest may be anything.
///
/// # Errors
/// Texts that cannot be read, unknown kinds, names that are missing.
pub fn targets(sources: &[Source], namespace: Option<&str>) -> Result<Vec<Target>, Failure> {
    let (mut targets, mut wrong) = (vec![], vec![]);
    for (place, object) in values(sources, &mut wrong) {
        let found = kind_of(&object).and_then(|info| named(info, &object, namespace));
        match found {
            Ok(target) => targets.push(target),
            Err(refusal) => wrong.push(Failure::from(refusal).at(&place)),
        }
    }
    Failure::all(wrong).map_or(Ok(targets), Err)
}

/// Every document with its place; those of lists apart.
fn values(sources: &[Source], wrong: &mut Vec<Failure>) -> Vec<(String, Value)> {
    let mut all = vec![];
    for Source { name, text } in sources {
        let read = match documents(text) {
            Ok(read) => read,
            Err(refusal) => {
                wrong.push(Failure::from(refusal).at(name));
                continue;
            }
        };
        let single = read.len() == 1;
        for (number, mut value) in read.into_iter().enumerate() {
            let place =
                if single { name.clone() } else { format!("{name}, document {}", number + 1) };
            let is_list = value["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
            match value.get_mut("items").filter(|_| is_list) {
                Some(Value::Array(items)) => {
                    let items = std::mem::take(items).into_iter().enumerate();
                    all.extend(
                        items.map(|(index, item)| (format!("{place}, items[{index}]"), item)),
                    );
                }
                _ => all.push((place, value)),
            }
        }
    }
    all
}

fn check(place: &str, mut object: Value, namespace: Option<&str>) -> Result<Given, Vec<Failure>> {
    let place = match (object["kind"].as_str(), object.pointer("/metadata/name")) {
        (Some(kind), Some(Value::String(name))) => format!("{place}, {kind} \"{name}\""),
        _ => place.to_owned(),
    };
    let fail = |refusal: Refusal| Failure::from(refusal).at(&place);
    strip_served(&mut object);
    let admitted = admit(object);
    let Admitted { info, mut object } =
        admitted.map_err(|all| all.into_iter().map(fail).collect::<Vec<_>>())?;
    let target = named(info, &object, namespace).map_err(|refusal| vec![fail(refusal)])?;
    if let Some(namespace) = &target.namespace {
        object["metadata"]["namespace"] = namespace.as_str().into();
    }
    labels(&object).map_err(|failure| vec![failure.at(&place)])?;
    Ok(Given { target, place, object })
}

/// The object's name, in the namespace it names or in the one that was asked for.
fn named(
    info: &'static KindInfo,
    object: &Value,
    namespace: Option<&str>,
) -> Result<Target, Refusal> {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (own, name) = (text("/metadata/namespace"), text("/metadata/name"));
    if name.is_empty() {
        return Err(Refusal::Missing { path: "metadata.name".to_owned() });
    }
    let namespace = match (info.namespaced, own, namespace) {
        (false, ..) => None,
        (true, "", asked) => Some(asked.unwrap_or(DEFAULT_NAMESPACE).to_owned()),
        (true, own, Some(asked)) if own != asked => {
            return Err(Refusal::Invalid {
                path: "metadata.namespace".to_owned(),
                found: format!("\"{own}\""),
                rule: format!("\"--namespace {asked}\" was asked for"),
            });
        }
        (true, own, _) => Some(own.to_owned()),
    };
    Ok(Target { info, namespace, name: name.to_owned() })
}

fn labels(object: &Value) -> Result<(), Failure> {
    use fleetlog_rules::labels::{check_key, check_value};
    let wrong = |path: String, error: fleetlog_rules::labels::LabelError| {
        let advice = "use letters, digits, '-', '_' and '.', at most 63, begun and ended by a \
                      letter or digit; a key may have a DNS prefix and '/'";
        Failure::new("CLI0019", format!("\"{path}\": {error}"), advice)
    };
    let entries = |name: &str| {
        let map = object["metadata"][name].as_object();
        map.into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()))
    };
    for (key, value) in entries("labels") {
        let checked = check_key(key).and_then(|()| check_value(value.unwrap_or_default()));
        checked.map_err(|error| wrong(format!("metadata.labels[{key:?}]"), error))?;
    }
    for (key, _) in entries("annotations") {
        let checked = check_key(&key.to_lowercase());
        checked.map_err(|error| wrong(format!("metadata.annotations[{key:?}]"), error))?;
    }
    Ok(())
}

fn twice(given: &[Given]) -> Option<Failure> {
    given.iter().enumerate().find_map(|(index, one)| {
        let first = given[..index].iter().find(|other| other.target == one.target)?;
        let reference = one.target.reference();
        let sentence = format!("\"{reference}\" stands twice: {} and {}", first.place, one.place);
        Some(Failure::new("CLI0023", sentence, "keep one of the two"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: &str = "apiVersion: cluster.open-cluster-management.io/v1beta2\n\
                       kind: ManagedClusterSet\nmetadata: {name: s}\n";
    const BINDING: &str = "apiVersion: cluster.open-cluster-management.io/v1beta2\n\
                           kind: ManagedClusterSetBinding\nmetadata: {name: s}\n\
                           spec: {clusterSet: s}\n";

    fn read_text(text: &str, namespace: Option<&str>) -> Result<Vec<Given>, Failure> {
        read(&[Source { name: "f.yaml".into(), text: text.into() }], namespace)
    }

    fn references(given: &[Given]) -> Vec<String> {
        given.iter().map(|given| given.target.reference()).collect()
    }

    #[test]
    fn documents_and_lists_become_objects_in_their_namespaces() {
        let given = read_text(&format!("{SET}---\n{BINDING}"), Some("team")).unwrap();
        let all = ["ManagedClusterSet/s", "ManagedClusterSetBinding/team/s"];
        assert_eq!(references(&given), all);
        let items: Vec<Value> = given.into_iter().map(|given| given.object).collect();
        let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items});
        assert_eq!(references(&read_text(&list.to_string(), None).unwrap()), all);
        assert_eq!(
            references(&read_text(BINDING, None).unwrap()),
            ["ManagedClusterSetBinding/default/s"]
        );
    }

    #[test]
    fn every_mistake_of_every_document_is_told_with_its_place() {
        let wrong = BINDING.replace("clusterSet:", "clusterSte:");
        let failure = read_text(&format!("{SET}---\n{wrong}---\nkind: X\n"), None).unwrap_err();
        let words = failure.to_string();
        let place = "f.yaml, document 2, ManagedClusterSetBinding \"s\": unknown field";
        assert!(words.contains(place), "{words}");
        assert!(words.contains("\"spec.clusterSet\" is missing"), "{words}");
        assert!(words.contains("f.yaml, document 3: \"apiVersion\" is missing"), "{words}");
        assert_eq!((failure.code.as_str(), failure.also.len()), ("OBJ0005", 2));
    }

    #[test]
    fn names_labels_and_namespaces_are_checked() {
        let code = |text: &str, namespace| read_text(text, namespace).unwrap_err().code;
        assert_eq!(code(&SET.replace("name: s", "name: S"), None), "OBJ0009");
        assert_eq!(code(&SET.replace("name: s", "name: s, labels: {a: b c}"), None), "CLI0019");
        assert_eq!(code(&SET.replace("name: s", "name: s, namespace: x"), None), "OBJ0008");
        let other = BINDING.replace("name: s", "name: s, namespace: x");
        assert_eq!(code(&other, Some("team")), "OBJ0008");
        assert_eq!(code(&format!("{SET}---\n{SET}"), None), "CLI0023");
        assert_eq!(code("# nothing\n", None), "CLI0018");
        assert_eq!(code("a: [1", None), "OBJ0001");
    }

    #[test]
    fn deleting_by_file_needs_kinds_and_names_only() {
        let text = SET.replace("metadata", "whatever: 1\nmetadata");
        let sources = [Source { name: "f".into(), text }];
        assert_eq!(targets(&sources, None).unwrap()[0].reference(), "ManagedClusterSet/s");
    }

    #[test]
    fn manifests_of_another_version_are_taken_as_the_one_that_is_kept() {
        let text = "apiVersion: addon.open-cluster-management.io/v1beta1\n\
                    kind: ManagedClusterAddOn\n\
                    metadata: {name: a, namespace: c1, annotations: {\
                    addon.open-cluster-management.io/v1alpha1-install-namespace: tools}}\n";
        let given = read_text(text, None).unwrap();
        assert_eq!(references(&given), ["ManagedClusterAddOn/c1/a"]);
        assert_eq!(given[0].target.info.version, "v1alpha1");
        assert_eq!(given[0].object["spec"]["installNamespace"], "tools");
        let sources = [Source { name: "f".into(), text: text.into() }];
        assert_eq!(targets(&sources, None).unwrap()[0], given[0].target);
        let wrong = format!("{text}spec: {{installNamespace: tools}}\n");
        assert_eq!(read_text(&wrong, None).unwrap_err().code, "OBJ0005");
    }

    #[test]
    fn a_folder_gives_its_yaml_and_json_files_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.json", "c.txt"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let found = sources(&[folder.path().to_path_buf()]).unwrap();
        let texts: Vec<&str> = found.iter().map(|source| source.text.as_str()).collect();
        assert_eq!(texts, ["a.json", "b.yaml"]);
        assert_eq!(sources(&["/nowhere".into()]).unwrap_err().code, "CLI0004");
    }
}
