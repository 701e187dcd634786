//! Every architecture rule as a function from a folder to its offences. Reads files and `cargo
//! tree`; compiles nothing and changes nothing.

pub mod arrows;
pub mod calls;
pub mod caps;
mod exceptions;
pub mod folders;
pub mod heads;
mod lexer;
mod manifest;
pub mod modules;
mod offence;
pub mod purity;
mod source;
pub mod subjects;
pub mod testing;
mod tree;

pub use offence::Offence;

use std::path::{Path, PathBuf};

/// The checkout that this crate lies in.
#[must_use]
pub fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
