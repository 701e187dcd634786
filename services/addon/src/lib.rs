//! The add-on service: its domain wired to the bus. What a work is, and what its agent makes of
//! it, is not known here.

mod answer;
mod config;
mod decode;
mod handlers;
mod machine;
mod shell;

pub use config::Settings;
pub use machine::AddOns;
pub use shell::start;
