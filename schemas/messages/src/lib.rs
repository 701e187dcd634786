//! Every message and API object that crosses a process, its envelope and its subjects.

pub mod envelope;
pub mod subject;
