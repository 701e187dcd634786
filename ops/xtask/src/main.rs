//! The project's own chores, from the command line.

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use fleetlog_xtask::cargo::cargo;
use fleetlog_xtask::{bench, catalogue, covered, golden, mutants, soak, verify};
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
    /// Write what is generated from `schemas/proto`, and which numbered behaviours have a test.
    Catalogue {
        /// Print the behaviours as JSON and nothing else.
        #[arg(long)]
        json: bool,
    },
    /// Measure, built optimised; `e2e` is the main job end to end, `placement` choosing alone,
    /// `log` what the log costs.
    Bench {
        /// The suite, and what it takes: `e2e --json`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        suite: Vec<String>,
    },
    /// Write golden bytes for messages whose shape has none yet; what is there is never changed.
    Golden,
    /// The long run: placement against its reference, the mutants of the pure code against their
    /// tests, every process killed in turn under load. The last line says how it ended.
    Soak {
        /// How many histories of placement are compared with the reference.
        #[arg(long, default_value_t = 10_000)]
        histories: u32,
        /// Leave the mutants out: they take hours, and need cargo-mutants.
        #[arg(long, conflicts_with = "mutants")]
        no_mutants: bool,
        /// Test a share of the mutants only, as K/N with K from 0 on.
        #[arg(long, value_name = "K/N")]
        mutants: Option<mutants::Share>,
        /// How many rounds; in each of them every process is killed once.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
        /// What decides who is killed when; a new one where none is given.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Check formatting, lints and every test: what CI runs.
    Verify,
}

fn main() -> Result<ExitCode> {
    let root = root()?;
    match Cli::parse().chore {
        Chore::Catalogue { json } => write_catalogue(&root, json)?,
        Chore::Bench { suite } => {
            if !bench::run(&root, &suite)? {
                return Ok(ExitCode::FAILURE);
            }
        }
        Chore::Golden => {
            let written = golden::write(&root)?;
            written.iter().for_each(|path| println!("{}", path.display()));
            println!("{} golden files written", written.len());
        }
        Chore::Soak { histories, no_mutants, mutants, rounds, seed } => {
            let seed = seed.unwrap_or_else(soak::any_seed);
            let holds = soak::histories(&root, histories)?
                && (no_mutants || mutants::run(&root, mutants)?)
                && soak::run(&root, rounds, seed)?;
            if !holds {
                return Ok(ExitCode::FAILURE);
            }
        }
        Chore::Verify => {
            if !verify::run(&root)? {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn write_catalogue(root: &Path, json: bool) -> Result<()> {
    let changed = catalogue::write(root)?;
    reference(root)?;
    let areas = covered::find(root)?;
    std::fs::write(root.join(covered::FILE), covered::text(&areas)?)?;
    if json {
        println!("{}", covered::as_json(&areas));
        return Ok(());
    }
    println!("{changed} generated files changed");
    covered::lines(&areas).iter().for_each(|line| println!("{line}"));
    Ok(())
}

/// Writes the reference page, by a program of its own: it speaks of code that was just generated.
fn reference(root: &Path) -> Result<()> {
    let words = ["run", "--quiet", "--package", "fleetlog-catalogue-tests", "--bin", "reference"];
    let status = cargo(root, &words).status().context("run cargo for the reference page")?;
    anyhow::ensure!(status.success(), "the reference page was not written");
    Ok(())
}

/// The project's root, from where this crate lay when it was built.
fn root() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.map(Path::to_path_buf).context("the crate lies two folders below the root")
}
