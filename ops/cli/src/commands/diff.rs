//! `diff`: one object at two moments, and what happened to it between them.

use crate::args::{DiffArgs, Output, ScopeArgs};
use crate::as_of::AsOf;
use crate::commands::get::get_past;
use crate::diff::{Difference, Side};
use crate::failure::{Done, Failure};
use crate::hub::{Bodies, Hub};
use crate::log;
use crate::print::paint::Paint;
use crate::print::{document_out, out};
use crate::target::{Target, Wanted};
use fleetlog_kernel::Position;
use serde_json::Value;

/// The label by which a decision names its placement.
const PLACEMENT: &str = "cluster.open-cluster-management.io/placement";
/// The exit code of two sides that differ, as `diff` has it; failures have higher ones.
const DIFFERS: u8 = 1;

/// `fleetlog diff`.
///
/// # Errors
/// [`Failure::said`] with 1 when the object differs. With 2 or more: words that make no sense, a
/// moment that the log does not hold, an object that is at neither, a hub that does not answer.
pub async fn run(args: &DiffArgs, open: impl AsyncFnOnce() -> Result<Hub, Failure>) -> Done {
    let shown = async {
        let hub = open().await?;
        let found = difference(args, &hub).await?;
        show(&found, args.output.output)?;
        Ok(found)
    };
    match shown.await {
        Ok(found) if found.is_some() => Err(Failure::said(DIFFERS)),
        Ok(_) => Ok(()),
        Err(failure) => {
            let failure: Failure = failure;
            Err(Failure { exit: failure.exit.max(DIFFERS + 1), ..failure })
        }
    }
}

fn show(found: &Difference, output: Output) -> Done {
    match output {
        Output::Table | Output::Wide => out(&found.text(Paint::of_stdout())),
        form @ (Output::Json | Output::Yaml) => document_out(form, &found.json())?,
        Output::Name => {
            let advice = "use -o table, or -o json for a patch";
            return Err(Failure::usage("a difference has no such form", advice));
        }
    }
    Ok(())
}

/// The object at both moments, and the events between them.
///
/// # Errors
/// As [`run`].
pub async fn difference(args: &DiffArgs, hub: &Hub) -> Result<Difference, Failure> {
    let target = Target::parse(&args.object)?;
    let from = AsOf::parse(Some(&args.from), hub.now())?;
    let to = AsOf::parse(args.to.as_deref(), hub.now())?;
    let from = side(hub, &target, from).await?;
    let to = side(hub, &target, to).await?;
    let Some(object) = from.object.as_ref().or(to.object.as_ref()) else {
        let both = format!("at positions {} and {}", from.position, to.position);
        return Err(target.not_found().at(&both));
    };
    let (first, last) = (from.position.min(to.position), from.position.max(to.position));
    let about = told_of(&target, object);
    let events = log::read(hub, Some(&about), first + 1..=last).await?;
    Ok(Difference { name: target.reference(), from, to, events })
}

async fn side(hub: &Hub, target: &Target, as_of: AsOf) -> Result<Side, Failure> {
    let wanted = Wanted::Objects(vec![target.clone()]);
    let scope = ScopeArgs::default();
    let found = get_past(hub, &wanted, &scope, "", Bodies::Wanted, as_of).await?;
    let position = found.position;
    let object = found.listings.into_iter().flat_map(|listing| listing.objects).next();
    let commit = hub.history().await?.at(Position(position)).await?;
    let time = commit.map(|commit| log::millis(commit.header.time)).unwrap_or_default();
    Ok(Side { position, time, object })
}

/// Whose events tell what happened to an object: its own, or for a decision its placement's.
fn told_of(target: &Target, object: &Value) -> Target {
    let of = object["metadata"]["labels"][PLACEMENT].as_str();
    let placement = (target.info.token == "placementdecision").then_some(of).flatten();
    let of = |name: &str| {
        let namespace = target.namespace.as_deref().unwrap_or_default();
        Target::parse(&format!("placement/{namespace}/{name}")).ok()
    };
    placement.and_then(of).unwrap_or_else(|| target.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_decision_is_told_of_by_its_placement() {
        let decision = Target::parse("placementdecision/team/web-decision-1").unwrap();
        let object = json!({"metadata": {"labels": {PLACEMENT: "web"}}});
        assert_eq!(told_of(&decision, &object).reference(), "Placement/team/web");
        let work = Target::parse("manifestwork/c1/w").unwrap();
        assert_eq!(told_of(&work, &object), work);
    }
}
