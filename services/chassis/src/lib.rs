//! What a process stands on, and the three loops: serve (commands), project (events -> views),
//! react (events -> commands). Knows no service.

mod clock;
mod machine;
mod tasks;

pub use clock::{Clock, Ids};
pub use machine::{Decided, Denied, Effect, Machine, Origin, Plain, Request, Shell, Unreadable};
pub use tasks::{TaskFailed, Tasks};
