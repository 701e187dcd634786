//! The one door for API objects, built-in and foreign: text, value with duplicate keys, schema walk
//! (prune, default, check), typed reading that lists what it would lose; writing and merging.
//! Pure; what an object means is the domains', how it travels is the bus'.

pub mod age;
mod beside;
mod check;
pub mod column;
mod command;
mod door;
mod fill;
pub mod json_path;
mod loader;
mod merge;
mod names;
mod near;
mod path;
mod prune;
mod refusal;
mod schema;
mod status;
mod text;
mod typed;
mod values;
mod versions;

pub use command::{Applying, How, NoCommand, apply, delete, finalize, with_sealed};
pub use door::{Admitted, admit, kind_of, strip_served};
pub use fleetlog_messages::wire::canonical;
pub use merge::{merge, merge_patch};
pub use names::check_names;
pub use near::nearest;
pub use refusal::Refusal;
pub use schema::{Schema, Schemas};
pub use text::{documents, json, to_yaml, yaml};
pub use typed::{Loss, ReadError, read, write};
pub use values::{LAST_APPLIED, put_values, settle_values, value_names};
pub use versions::in_version;
