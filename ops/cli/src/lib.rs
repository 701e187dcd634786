//! The `fleetlog` command: a face of the hub for people and scripts. It decides nothing: writes
//! are commands, reads are questions to the services, history is the log.

mod args;
mod as_of;
pub mod commands;
mod diff;
pub mod documents;
pub mod embedded;
mod explain;
mod failure;
mod history;
pub mod hub;
mod kinds;
mod log;
mod orders;
mod print;
mod story;
mod supposed;
mod target;
mod why;

pub use args::Cli;
pub use failure::{Done, Failure};

use args::Command;
use clap::{CommandFactory as _, Parser as _};
use fleetlog_chassis::process::{LogFormat, start_logging};
use std::ffi::OsString;
use std::process::ExitCode;

/// Parses the command line, does what it says, and prints what went wrong.
#[must_use]
pub fn main() -> ExitCode {
    // Becomes the supervisor of a server when it was started as one.
    fleetlog_tools::supervise::enter();
    let cli = Cli::parse_from(words(std::env::args_os()));
    start_logging(&cli.log, LogFormat::Plain);
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_said() {
                eprintln!("{failure}");
            }
            failure.exit_code()
        }
    }
}

/// What was typed; `cargo demo -- --json` puts a `--` before the flags that is none of ours.
fn words(typed: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = typed.into_iter().collect();
    if words.get(1).is_some_and(|word| word == "demo") && words.get(2).is_some_and(|w| w == "--") {
        words.remove(2);
    }
    words
}

fn run(cli: Cli) -> Done {
    if let Command::Completion { shell } = cli.command {
        clap_complete::generate(shell, &mut Cli::command(), "fleetlog", &mut std::io::stdout());
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::from(anyhow::Error::from(error)))?;
    let done = runtime.block_on(commands::run(cli));
    // What still blocks a thread (the start of a server) does not hold up the end of the process.
    runtime.shutdown_background();
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_takes_its_flags_with_and_without_a_dash_pair() {
        for typed in [&["fleetlog", "demo", "--json"][..], &["fleetlog", "demo", "--", "--json"]] {
            let cli = Cli::parse_from(words(typed.iter().map(OsString::from)));
            assert!(matches!(cli.command, Command::Demo(args) if args.json));
        }
    }
}
