//! `--change` and `--clusters`: what a simulation supposes, from words and files. What comes of it,
//! placement says.

use crate::documents::{Source, whole};
use crate::failure::Failure;
use crate::kinds;
use fleetlog_messages::placement::{
    SupposedChange, SupposedGone, SupposedLabel, SupposedTaint, supposed_change::Change,
};
use fleetlog_messages::registration::{ManagedCluster, Taint};
use fleetlog_rules::labels::{check_key, check_value};

const FORMS: &str = "write cluster/NAME label KEY=VALUE, label KEY-, taint KEY=VALUE:EFFECT, taint \
                     KEY:EFFECT-, or gone";
const EFFECTS: [&str; 3] = ["NoSelect", "PreferNoSelect", "NoSelectIfNew"];

/// Reads one change.
///
/// # Errors
/// Words of another form.
pub fn change(text: &str) -> Result<SupposedChange, Failure> {
    let wrong = |why: &str| Failure::usage(format!("\"{text}\" is no change: {why}"), FORMS);
    let words: Vec<&str> = text.split_whitespace().collect();
    let (object, verb) = match words.as_slice() {
        [object, verb @ ..] if !verb.is_empty() => (*object, verb),
        _ => return Err(wrong("it names a cluster and what would change")),
    };
    let cluster = match object.split_once('/') {
        Some((kind, name)) if is_cluster(kind) && !name.is_empty() => name.to_owned(),
        _ => return Err(wrong("only clusters can be supposed otherwise")),
    };
    let change = match verb {
        ["gone"] => Change::Gone(SupposedGone { cluster }),
        ["label", label] => Change::Label(read_label(cluster, label).map_err(|e| wrong(&e))?),
        ["taint", taint] => match taint.strip_suffix('-') {
            Some(taint) => {
                let taint = Some(read_taint(taint, false).map_err(|e| wrong(&e))?);
                Change::Untaint(SupposedTaint { cluster, taint })
            }
            None => {
                let taint = Some(read_taint(taint, true).map_err(|e| wrong(&e))?);
                Change::Taint(SupposedTaint { cluster, taint })
            }
        },
        _ => return Err(wrong("it is none of label, taint and gone")),
    };
    Ok(SupposedChange { change: Some(change) })
}

fn is_cluster(kind: &str) -> bool {
    kind == "cluster" || kinds::find(kind).is_ok_and(|info| info.token == "cluster")
}

fn read_label(cluster: String, text: &str) -> Result<SupposedLabel, String> {
    let (key, value) = match (text.split_once('='), text.strip_suffix('-')) {
        (Some((key, value)), _) => (key, Some(value.to_owned())),
        (None, Some(key)) => (key, None),
        (None, None) => return Err("a label is KEY=VALUE, or KEY- to take it away".to_owned()),
    };
    check_key(key).map_err(|error| error.to_string())?;
    check_value(value.as_deref().unwrap_or_default()).map_err(|error| error.to_string())?;
    Ok(SupposedLabel { cluster, key: key.to_owned(), value })
}

fn read_taint(text: &str, whole: bool) -> Result<Taint, String> {
    let (named, effect) = text.split_once(':').map_or((text, None), |(n, e)| (n, Some(e)));
    let (key, value) = named.split_once('=').map_or((named, None), |(k, v)| (k, Some(v)));
    check_key(key).map_err(|error| error.to_string())?;
    match effect {
        None if whole => return Err("a taint is KEY:EFFECT or KEY=VALUE:EFFECT".to_owned()),
        Some(effect) if !EFFECTS.contains(&effect) => {
            return Err(format!("the effect is one of {}", EFFECTS.join(", ")));
        }
        _ => {}
    }
    Ok(Taint {
        key: Some(key.to_owned()),
        value: value.map(str::to_owned),
        effect: effect.map(str::to_owned),
        ..Taint::default()
    })
}

/// The clusters of some texts, status included.
///
/// # Errors
/// Texts that cannot be read, other kinds, clusters without a name.
pub fn clusters(sources: &[Source]) -> Result<Vec<ManagedCluster>, Failure> {
    let read = |(place, value): (String, serde_json::Value)| {
        let refused = |sentence: String| {
            let advice =
                "give ManagedClusters, as fleetlog get managedclusters -o yaml prints them";
            Failure::new("CLI0053", sentence, advice).at(&place)
        };
        let (cluster, _) = fleetlog_objects::read::<ManagedCluster>(value)
            .map_err(|error| refused(error.to_string()))?;
        let named = cluster.metadata.as_ref().is_some_and(|meta| !meta.name().is_empty());
        if named { Ok(cluster) } else { Err(refused("a cluster has no name".to_owned())) }
    };
    whole(sources)?.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_form_of_a_change_is_read() {
        let read = |text: &str| change(text).unwrap().change.unwrap();
        let cluster = || "c1".to_owned();
        assert_eq!(read("cluster/c1 gone"), Change::Gone(SupposedGone { cluster: cluster() }));
        let value = Some("eu".to_owned());
        let label = SupposedLabel { cluster: cluster(), key: "region".into(), value };
        assert_eq!(read("mcl/c1 label region=eu"), Change::Label(label.clone()));
        let label = SupposedLabel { value: None, ..label };
        assert_eq!(read("managedcluster/c1  label  region-"), Change::Label(label));
        let gpu = Taint {
            key: Some("gpu".into()),
            value: Some("true".into()),
            effect: Some("NoSelect".into()),
            ..Taint::default()
        };
        let of = |taint: Taint| SupposedTaint { cluster: cluster(), taint: Some(taint) };
        assert_eq!(read("cluster/c1 taint gpu=true:NoSelect"), Change::Taint(of(gpu.clone())));
        assert_eq!(read("cluster/c1 taint gpu=true:NoSelect-"), Change::Untaint(of(gpu.clone())));
        let key = Taint { value: None, effect: None, ..gpu };
        assert_eq!(read("cluster/c1 taint gpu-"), Change::Untaint(of(key)));
    }

    #[test]
    fn other_words_are_refused_with_the_forms() {
        for text in [
            "",
            "cluster/c1",
            "c1 gone",
            "cluster/ gone",
            "placement/a/b gone",
            "cluster/c1 label region",
            "cluster/c1 label =x",
            "cluster/c1 label a=b c",
            "cluster/c1 taint gpu",
            "cluster/c1 taint gpu=true:Never",
            "cluster/c1 explode",
        ] {
            let failure = change(text).unwrap_err();
            assert!(failure.advice.starts_with("write cluster/NAME"), "{text}: {failure}");
        }
    }

    proptest! {
        #[test]
        fn any_words_are_read_or_refused(
            text in "\\PC{0,40}",
            form in "cluster/[a-z]{1,3} (label|taint) \\PC{0,12}",
        ) {
            for text in [text, form] {
                let advised = |failure: Failure| !failure.advice.is_empty();
                prop_assert!(change(&text).map_or_else(advised, |read| read.change.is_some()));
            }
        }
    }
}
