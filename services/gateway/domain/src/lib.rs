//! The hub API without its wire: which kinds are served how, what a path, a query and a body ask
//! for, what is answered, and the view that answers come from. Pure: sockets, certificates and the
//! log are the shell's.

pub mod access;
mod admission;
mod change;
mod definitions;
mod discovery;
mod fields;
mod foreseen;
mod form;
mod kinds;
mod openapi;
mod options;
mod page;
pub mod passing;
mod patch;
mod path;
mod protobuf;
pub mod reviews;
mod status;
mod strategic;
mod table;
pub mod token;
mod view;
mod write;
mod wrong;

pub use access::{Access, Ask, Caller};
pub use admission::admit;
pub use change::{Change, Served, What};
pub use definitions::{definitions, is_outdated};
pub use discovery::{AGGREGATED, group, groups, resources};
pub use fields::Fields;
pub use foreseen::{foreseen, is_unchanged};
pub use form::{Form, Include};
pub use kinds::{FINALIZE, Kind, Part, find, served, versions};
pub use openapi::{document, index, paths};
pub use options::{
    At, ListOptions, Start, Unknown, WatchOptions, WriteOptions, list, watch, watches, write,
};
pub use page::Token;
pub use passing::{Became, Passing};
pub use patch::{PatchKind, patched};
pub use path::{Place, Route, Verb, route};
pub use status::{Cause, Status};
pub use table::{of as table_of, partial, text as table_text};
pub use view::{Key, Seen, View};
pub use write::{Body, Checked, Taken, Way, body, created, named, updated};
