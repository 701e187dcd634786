//! `describe`: one object with its conditions and its last events.

use crate::args::DescribeArgs;
use crate::as_of::AsOf;
use crate::commands::get::{Found, checked, get_past, wanted};
use crate::failure::{Done, Failure};
use crate::hub::{Bodies, Hub};
use crate::log;
use crate::print::describe::describe;
use crate::print::objects::{name_of, namespace_of};
use crate::print::out;
use crate::print::paint::Paint;
use crate::target::Target;
use fleetlog_messages::KindInfo;
use serde_json::Value;

/// How many events are shown.
const EVENTS: usize = 10;

/// `fleetlog describe`.
///
/// # Errors
/// Unknown kinds, names that are not there, a hub that does not answer.
pub async fn run(args: &DescribeArgs, hub: &Hub) -> Done {
    let wanted = wanted(&args.what)?;
    let selector = checked(args.what.selector.as_deref())?;
    let as_of = AsOf::parse(args.as_of.as_deref(), hub.now())?;
    let scope = &args.what.scope;
    let found = get_past(hub, &wanted, scope, selector, Bodies::Wanted, as_of).await?;
    let Found { listings, missing, position } = found;
    let until = if as_of == AsOf::Now { u64::MAX } else { position };
    let mut texts = vec![];
    for listing in &listings {
        for object in &listing.objects {
            texts.push(text(hub, listing.info, object, until).await?);
        }
    }
    if texts.is_empty() && missing.is_empty() {
        eprintln!("No resources found");
    }
    out(&texts.join("\n\n"));
    Failure::all(missing).map_or(Ok(()), Err)
}

/// The text of one object, with its events up to the position `until`.
///
/// # Errors
/// A hub that does not answer.
pub async fn text(
    hub: &Hub,
    info: &'static KindInfo,
    object: &Value,
    until: u64,
) -> Result<String, Failure> {
    let namespace = namespace_of(object).map(str::to_owned);
    let target = Target { info, namespace, name: name_of(object).to_owned() };
    let lines = match log::filter(Some(&target)) {
        Ok(_) => log::read(hub, Some(&target), 1..=until).await?,
        Err(_) => vec![],
    };
    let newest = lines.iter().skip(lines.len().saturating_sub(EVENTS));
    let events: Vec<String> = newest.map(|line| line.text(Paint::Off)).collect();
    Ok(describe(&shortened(object), &events, hub.now()))
}

/// The object with its manifests by name only: whole ones are what `get -o yaml` is for.
fn shortened(object: &Value) -> Value {
    let mut object = object.clone();
    for pointer in ["/spec/workload", "/spec/manifestWorkTemplate/workload"] {
        let manifests = object.pointer_mut(pointer).and_then(|w| w.get_mut("manifests"));
        if let Some(Value::Array(manifests)) = manifests {
            for manifest in manifests {
                *manifest = short_name(manifest).into();
            }
        }
    }
    object
}

fn short_name(manifest: &Value) -> String {
    let text = |pointer| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let name = text("/metadata/name");
    match text("/metadata/namespace") {
        "" => format!("{}/{name}", text("/kind")),
        namespace => format!("{}/{namespace}/{name}", text("/kind")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn manifests_are_told_by_name() {
        let manifests = json!([{"kind": "ConfigMap", "metadata": {"name": "m", "namespace": "n"}},
            {"kind": "Namespace", "metadata": {"name": "n"}}]);
        let work = json!({"spec": {"workload": {"manifests": manifests}}});
        let short = shortened(&work);
        assert_eq!(short["spec"]["workload"]["manifests"], json!(["ConfigMap/n/m", "Namespace/n"]));
    }
}
