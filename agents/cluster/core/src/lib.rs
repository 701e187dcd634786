//! The agent's choices: desired, observed, plan, report. Pure: events in, actions out; no I/O, no
//! clock, no random source. What executes the actions is the crate `fleetlog-agent`.

mod cluster;
mod conditions;
mod desired;
mod drift;
mod facts;
mod feedback;
mod glance;
mod kind;
mod machine;
mod manifest;
mod observed;
mod options;
mod pace;
mod pass;
mod plan;
mod record;
mod report;
mod step;
mod talk;
mod waiting;
mod work;
mod works;

pub use desired::{Desired, Held, Synced, Verdict};
pub use facts::{Inventory, facts};
pub use feedback::{Feedback, evaluate, ready};
pub use kind::{
    Gvk, Kind, Kinds, ObjectKey, Resource, Scope, WatchKey, is_established, kinds_of_definition,
};
pub use machine::Machine;
pub use manifest::{Manifest, parse, rank};
pub use observed::{Live, Observed};
pub use pace::{Pace, spread};
pub use plan::{Deletes, Entry, Plan, Wanted, plan, plan_removal};
pub use record::{
    Made, Record, applied_manifest_work_crd, cluster_claim_crd, watch as record_watch,
};
pub use report::{Line, Seen, gone, status};
pub use step::{Done, Failure, Force, Step};
pub use talk::{Action, Config, Event, GroupVersion};
