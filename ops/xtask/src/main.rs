//! The project's own chores, from the command line.

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use fleetlog_xtask::{catalogue, verify};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Chores of the project.
#[derive(Parser)]
#[command(name = "xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Write what is generated from `schemas/proto`.
    Catalogue,
    /// Check formatting, lints and every test: what CI runs.
    Verify,
}

fn main() -> Result<ExitCode> {
    let root = root()?;
    match Cli::parse().chore {
        Chore::Catalogue => {
            let changed = catalogue::write(&root)?;
            println!("{changed} generated files changed");
        }
        Chore::Verify => {
            if !verify::run(&root)? {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The project's root, from where this crate lay when it was built.
fn root() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.map(Path::to_path_buf).context("the crate lies two folders below the root")
}
