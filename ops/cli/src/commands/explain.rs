//! `explain`: why something is as it is, now or at a moment of the past.

use crate::args::{ExplainArgs, Output};
use crate::as_of::AsOf;
use crate::explain::{Chain, explain, explain_at};
use crate::failure::{Done, Failure};
use crate::hub::Hub;
use crate::print::paint::Paint;
use crate::print::{document_out, out};
use crate::target::Target;
use crate::why;
use serde_json::Value;

/// `fleetlog explain`.
///
/// # Errors
/// Unknown kinds, an object that never was, a server that does not answer.
pub async fn run(args: &ExplainArgs, hub: &Hub) -> Done {
    let target = Target::parse(&args.object)?;
    let as_of = AsOf::parse(args.as_of.as_deref(), hub.now())?;
    if target.info.token == "placement" {
        return placement(args, hub, &target, as_of).await;
    }
    if args.cluster.is_some() {
        let advice = "leave --cluster out, or explain placement/NAMESPACE/NAME";
        return Err(Failure::usage("only of a placement a cluster can be asked about", advice));
    }
    let chain = match as_of {
        AsOf::Now => explain(hub, &target).await?,
        _ => explain_at(hub, &target, as_of.position(hub).await?).await?,
    };
    match args.output.output {
        form @ (Output::Json | Output::Yaml) => document_out(form, &chain)?,
        Output::Table | Output::Wide | Output::Name => out(&chain.text(Paint::of_stdout())),
    }
    Ok(())
}

/// A placement: everybody's reason, and the chain of what led to its decisions.
async fn placement(args: &ExplainArgs, hub: &Hub, target: &Target, as_of: AsOf) -> Done {
    let why = why::ask(hub, target, args.cluster.as_deref(), as_of).await?;
    let chain = explain_at(hub, target, why.position).await?;
    let whole = || -> Result<Value, Failure> {
        let mut whole = why.json();
        whole["chain"] = value(&chain)?;
        Ok(whole)
    };
    match args.output.output {
        form @ (Output::Json | Output::Yaml) => document_out(form, &whole()?)?,
        Output::Wide => out(&why.wide()),
        Output::Table | Output::Name => {
            out(&why.text(target, Paint::of_stdout()));
            if args.cluster.is_none() {
                out(&format!("\n{}", chain.rows()));
            }
        }
    }
    Ok(())
}

fn value(chain: &Chain) -> Result<Value, Failure> {
    Ok(serde_json::to_value(chain).map_err(anyhow::Error::from)?)
}
