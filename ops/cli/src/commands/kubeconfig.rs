//! `kubeconfig`: how kubectl reaches the hub API, as its administrator or as another user.

use crate::args::KubeconfigArgs;
use crate::failure::{Done, Failure};
use crate::hub;
use crate::print::out;
use fleetlog_chassis::Clock;
use fleetlog_gateway::Certificates;
use std::path::PathBuf;

/// `fleetlog kubeconfig`.
///
/// # Errors
/// A folder that holds no hub, or one whose API was never served.
pub fn run(args: &KubeconfigArgs, data: Option<&PathBuf>) -> Done {
    let folder = hub::folder(data)?;
    let (kubeconfig, gateway) = (folder.join("kubeconfig"), folder.join("gateway"));
    let admin = std::fs::read_to_string(kubeconfig).ok().filter(|_| gateway.is_dir());
    let admin = admin.ok_or_else(|| {
        let sentence = format!("the API of the hub in \"{}\" was never served", folder.display());
        Failure::new("CLI0057", sentence, "start it: fleetlog dev --data DIR serves it")
    })?;
    let Some(user) = &args.user else {
        out(&admin);
        return Ok(());
    };
    let documents = fleetlog_objects::yaml(&admin)?;
    let server = documents.first().and_then(|config| {
        config.pointer("/clusters/0/cluster/server")?.as_str().map(str::to_owned)
    });
    let now = Clock::System.now();
    let own = Certificates::load_or_create(&gateway, now)?;
    let groups: Vec<&str> = args.groups.iter().map(String::as_str).collect();
    let who = (user.as_str(), groups.as_slice());
    out(&fleetlog_gateway::kubeconfig(&own, &server.unwrap_or_default(), who, now)?);
    Ok(())
}
