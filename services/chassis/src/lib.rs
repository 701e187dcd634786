//! What a process stands on, and the three loops: serve (commands), project (events -> views),
//! react (events -> commands). Knows no service.

mod alarm;
mod as_of;
mod bury;
mod clock;
mod context;
pub mod halt;
mod handle;
pub mod health;
mod hosted;
mod intake;
mod lag;
pub mod listen;
mod machine;
mod metrics;
mod plan;
pub mod process;
mod project;
mod query;
mod react;
mod rebuild;
mod redo;
mod seen;
mod serve;
mod service;
mod snapshot;
mod sweep;
mod tasks;
mod tried;
mod watched;

pub use alarm::{Alarms, Moved, Timed, Wake};
pub use clock::{Clock, Ids};
pub use context::{Bounds, Bus, Context, Ground};
pub use hosted::{FORMAT, Hosted, TOLD_PER_COMMIT, told_order};
pub use machine::{
    Decided, Denied, Effect, Machine, Origin, Plain, Request, Shell, Unprepared, Unreadable,
};
pub use metrics::{Counts, Metrics, Reading};
pub use rebuild::{Rebuilt, Standing, projection_id};
pub use service::start;
pub use tasks::{TaskFailed, Tasks};
pub use watched::Watched;

/// A message is read on one thread and let go of on another, a dozen pieces each: this takes half
/// the time over it that the C library's takes, which the log is read so much faster for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
