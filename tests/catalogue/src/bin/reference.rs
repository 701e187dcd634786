//! Writes the reference page; `cargo xtask catalogue` runs it.

use anyhow::{Context as _, Result};
use fleetlog_catalogue_tests::reference;
use std::path::Path;

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    let root = root.context("the crate lies two folders below the root")?;
    std::fs::write(root.join(reference::FILE), reference::page(root)?)?;
    Ok(())
}
