//! The commands, one module each: what is typed becomes commands and questions to the hub, and what
//! comes back becomes text. The functions below `run` are for the demo too.

pub mod apply;
pub mod clusters;
pub mod delete;
pub mod describe;
mod diff;
pub mod dlq;
mod explain;
pub mod follower;
mod get;
mod kubeconfig;
mod label;
mod log;
#[cfg(test)]
mod on_memory;
mod projection;
mod rebalance;
mod sim;
mod simulate;
mod token;
mod topology;
mod version;
pub mod wait;
mod watch;

use crate::args::{Cli, Command, HubCommand, SimulateCommand, TokenCommand};
use crate::embedded;
use crate::failure::{Done, Failure};
use crate::hub::Hub;

/// Does what the command line says.
///
/// # Errors
/// What went wrong, with its exit code.
pub async fn run(cli: Cli) -> Done {
    let data = cli.data.as_ref();
    match cli.command {
        Command::Demo(args) => embedded::demo::run(args).await,
        Command::Dev(args) => {
            let advice = "name the folder that keeps the hub: fleetlog dev --data DIR";
            let dir = data.ok_or_else(|| Failure::usage("no folder is named", advice))?;
            embedded::dev::run(args, dir).await
        }
        Command::Replay(args) => embedded::replay::run(args, data).await,
        Command::Apply(args) => apply::run(args, async || Hub::open(data).await).await,
        Command::Get(args) => get::run(&args, &Hub::open(data).await?).await,
        Command::Describe(args) => describe::run(&args, &Hub::open(data).await?).await,
        Command::Delete(args) => delete::run(&args, &Hub::open(data).await?).await,
        Command::Wait(args) => wait::run(&args, &Hub::open(data).await?).await,
        Command::Label(args) => label::run(&args, &Hub::open(data).await?).await,
        Command::Accept(args) => clusters::accept(&args, &Hub::open(data).await?).await,
        Command::Deny(args) => clusters::deny(&args, &Hub::open(data).await?).await,
        Command::Rebalance(args) => rebalance::run(&args, &Hub::open(data).await?).await,
        Command::Hub { command: HubCommand::Token { command: TokenCommand::Create(args) } } => {
            token::create(&args, data)
        }
        Command::Hub { command: HubCommand::Follower { command } } => {
            follower::run(command, data).await
        }
        Command::Kubeconfig(args) => kubeconfig::run(&args, data),
        Command::Sim(args) => sim::run(&args, &Hub::open(data).await?).await,
        Command::Log(args) => log::run(&args, &Hub::open(data).await?).await,
        Command::Diff(args) => diff::run(&args, async || Hub::open(data).await).await,
        Command::Explain(args) => explain::run(&args, &Hub::open(data).await?).await,
        Command::Simulate(SimulateCommand::Placement(args)) => {
            simulate::run(&args, &Hub::open(data).await?).await
        }
        Command::Projection(command) => projection::run(&command, &Hub::open(data).await?).await,
        Command::Dlq(command) => dlq::run(&command, &Hub::open(data).await?).await,
        Command::Topology(command) => topology::run(&command, data).await,
        Command::Version(args) => version::run(&args, data),
        // Answered before a runtime is started.
        Command::Completion { .. } => Ok(()),
    }
}
