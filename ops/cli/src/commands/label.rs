//! `label`: sets labels and takes them away, on the object as it stands.

use crate::args::{LabelArgs, WhatArgs};
use crate::commands::apply::{Applied, Change, send};
use crate::commands::get::{targets, wanted};
use crate::documents::Given;
use crate::failure::{Done, Failure};
use crate::hub::{Bodies, Hub};
use crate::orders::{self, How};
use crate::print::line;
use crate::target::{Target, Wanted};
use fleetlog_objects::strip_served;
use fleetlog_rules::labels::{check_key, check_value};
use serde_json::{Map, Value};

/// How often a change is tried again when the object moved meanwhile.
const TRIES: usize = 5;

/// One change of one label.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Edit {
    Set(String, String),
    Remove(String),
}

/// `fleetlog label`.
///
/// # Errors
/// Words that are no labels, labels that have another value, refusals.
pub async fn run(args: &LabelArgs, hub: &Hub) -> Done {
    let (edits, what): (Vec<String>, Vec<String>) =
        args.words.iter().cloned().partition(|word| word.contains('=') || word.ends_with('-'));
    let edits: Vec<Edit> = edits.iter().map(|word| edit(word)).collect::<Result<_, _>>()?;
    if edits.is_empty() {
        return Err(Failure::usage("no label is given", "write KEY=VALUE to set, KEY- to remove"));
    }
    let LabelArgs { filename, selector, scope, .. } = args;
    let what = WhatArgs {
        what,
        filename: filename.clone(),
        selector: selector.clone(),
        scope: scope.clone(),
    };
    let targets = match wanted(&what)? {
        Wanted::Kinds(_) if selector.is_some() => targets(hub, &what).await?,
        named => named.named()?,
    };
    let mut wrong = vec![];
    for target in &targets {
        match label(hub, target, &edits, args.overwrite).await {
            Ok(said) => line(&format!("{} {said}", target.full_name())),
            Err(failure) => wrong.push(failure),
        }
    }
    Failure::all(wrong).map_or(Ok(()), Err)
}

async fn label(
    hub: &Hub,
    target: &Target,
    edits: &[Edit],
    overwrite: bool,
) -> Result<&'static str, Failure> {
    let mut tries = 0;
    loop {
        let Target { info, namespace, name } = target;
        let found = hub.object(info, namespace.as_deref(), name, Bodies::Wanted).await?;
        let mut object = found.ok_or_else(|| target.not_found())?;
        let version = version_of(&object);
        if !change(&mut object, edits, overwrite)? {
            return Ok("not labeled");
        }
        let managed = object["metadata"]["managedFields"].take();
        strip_served(&mut object);
        if managed.is_array() {
            object["metadata"]["managedFields"] = managed;
        }
        let place = target.reference();
        let given = Given { target: target.clone(), place, object };
        let how = How {
            resource_version: version.clone(),
            replace_metadata: true,
            keep_values: true,
            ..How::default()
        };
        let failure = match send(hub, orders::apply(given, &how)?).await {
            Ok(Applied { change: Change::Unchanged, .. }) => return Ok("not labeled"),
            Ok(_) => return Ok(if edits.iter().all(is_removal) { "unlabeled" } else { "labeled" }),
            Err(failure) => failure,
        };
        // Refused because it moved meanwhile? Then the change is made on what it is now.
        let now = hub.object(info, namespace.as_deref(), name, Bodies::LeftOut).await?;
        tries += 1;
        if tries >= TRIES || now.is_none_or(|now| version_of(&now) == version) {
            return Err(failure.at(&target.reference()));
        }
    }
}

fn version_of(object: &Value) -> String {
    object["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned()
}

const fn is_removal(edit: &Edit) -> bool {
    matches!(edit, Edit::Remove(_))
}

fn edit(word: &str) -> Result<Edit, Failure> {
    let wrong = |error: fleetlog_rules::labels::LabelError| {
        let advice = "use letters, digits, '-', '_' and '.', at most 63; a key may have a prefix/";
        Failure::new("CLI0019", error.to_string(), advice)
    };
    if let Some((key, value)) = word.split_once('=') {
        check_key(key).and_then(|()| check_value(value)).map_err(wrong)?;
        return Ok(Edit::Set(key.to_owned(), value.to_owned()));
    }
    let key = word.trim_end_matches('-');
    check_key(key).map_err(wrong)?;
    Ok(Edit::Remove(key.to_owned()))
}

/// Changes the labels of an object; answers whether anything changed.
fn change(object: &mut Value, edits: &[Edit], overwrite: bool) -> Result<bool, Failure> {
    let mut labels = match object.pointer("/metadata/labels") {
        Some(Value::Object(labels)) => labels.clone(),
        _ => Map::new(),
    };
    let before = labels.clone();
    for edit in edits {
        match edit {
            Edit::Remove(key) => {
                labels.remove(key);
            }
            Edit::Set(key, value) => {
                let has = labels.get(key).and_then(Value::as_str);
                if let Some(has) = has.filter(|has| has != value && !overwrite) {
                    let sentence = format!("the label \"{key}\" has the value \"{has}\" already");
                    return Err(Failure::new("CLI0029", sentence, "change it with --overwrite"));
                }
                labels.insert(key.clone(), value.as_str().into());
            }
        }
    }
    let changed = labels != before;
    object["metadata"]["labels"] = Value::Object(labels);
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_with_an_equals_sign_set_and_with_a_dash_at_the_end_remove() {
        assert_eq!(edit("tier=gold").unwrap(), Edit::Set("tier".into(), "gold".into()));
        assert_eq!(edit("a.b/c-").unwrap(), Edit::Remove("a.b/c".into()));
        assert_eq!(edit("tier=").unwrap(), Edit::Set("tier".into(), String::new()));
        assert_eq!(edit("tier=a b").unwrap_err().code, "CLI0019");
        assert_eq!(edit("=x").unwrap_err().code, "CLI0019");
    }

    #[test]
    fn a_value_is_changed_only_when_it_may_be() {
        let mut object = json!({"metadata": {"labels": {"tier": "gold"}}});
        let set = |value: &str| [Edit::Set("tier".into(), value.into())];
        assert!(!change(&mut object, &set("gold"), false).unwrap());
        assert!(
            change(&mut object, &set("lead"), false).unwrap_err().advice.contains("--overwrite")
        );
        assert!(change(&mut object, &set("lead"), true).unwrap());
        assert!(change(&mut object, &[Edit::Remove("tier".into())], false).unwrap());
        assert_eq!(object, json!({"metadata": {"labels": {}}}));
    }
}
