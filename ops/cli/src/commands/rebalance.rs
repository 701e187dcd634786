//! `rebalance`: lets placements choose afresh, when keeping what they have is no longer wanted.

use crate::args::RebalanceArgs;
use crate::failure::{Done, Failure};
use crate::hub::Hub;
use crate::kinds;
use crate::orders;
use crate::print::line;
use crate::target::DEFAULT_NAMESPACE;

/// `fleetlog rebalance`.
///
/// # Errors
/// Refusals, one each.
pub async fn run(args: &RebalanceArgs, hub: &Hub) -> Done {
    let info = kinds::find("placement")?;
    let default = args.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
    let mut wrong = vec![];
    for given in &args.placements {
        let (namespace, name) = given.split_once('/').unwrap_or((default, given));
        let aggregate = kinds::aggregate(info, Some(namespace), name)?;
        match hub.command(&aggregate, orders::rebalance()).await {
            Ok((_, types)) => {
                let said = if types.is_empty() { "balanced already" } else { "rebalanced" };
                line(&format!("{} {said}", kinds::full_name(info, name)));
            }
            Err(failure) => wrong.push(failure),
        }
    }
    Failure::all(wrong).map_or(Ok(()), Err)
}
