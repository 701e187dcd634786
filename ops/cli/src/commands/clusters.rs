//! `accept` and `deny`: a person's word on who belongs to the fleet.

use crate::args::ClustersArgs;
use crate::failure::{Done, Failure};
use crate::hub::Hub;
use crate::kinds;
use crate::orders;
use crate::print::line;

/// `fleetlog accept`.
///
/// # Errors
/// Refusals, one each.
pub async fn accept(args: &ClustersArgs, hub: &Hub) -> Done {
    say(args, hub, &orders::accept(), "accepted").await
}

/// `fleetlog deny`.
///
/// # Errors
/// Refusals, one each.
pub async fn deny(args: &ClustersArgs, hub: &Hub) -> Done {
    say(args, hub, &orders::deny(), "denied").await
}

async fn say(args: &ClustersArgs, hub: &Hub, command: &[u8], said: &str) -> Done {
    let info = kinds::find("managedcluster")?;
    let mut wrong = vec![];
    for name in &args.clusters {
        let name = name.rsplit('/').next().unwrap_or(name);
        let aggregate = kinds::aggregate(info, None, name)?;
        match hub.command(&aggregate, command.to_vec()).await {
            Ok((_, types)) => {
                let said =
                    if types.is_empty() { format!("{said} already") } else { said.to_owned() };
                line(&format!("{} {said}", kinds::full_name(info, name)));
            }
            Err(failure) => wrong.push(failure),
        }
    }
    Failure::all(wrong).map_or(Ok(()), Err)
}
