//! The core service: its domain wired to the bus. Who may ask for what is the gateway's to say.

mod answer;
mod decode;
mod handlers;
mod machine;
mod sealing;
mod seals;
mod shell;

pub use machine::Core;
pub use shell::{Settings, start};
