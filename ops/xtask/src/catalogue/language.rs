//! What the protos say of events and commands, in words: for the reference page.

use super::Protos;
use super::schema::comments;
use anyhow::Result;
use prost_reflect::{Kind, MessageDescriptor};
use std::path::Path;

/// A message that is one of several: the events or the commands of one kind of aggregate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Its full name.
    pub name: String,
    /// Its comment, on one line.
    pub about: String,
    /// The type and the comment of each case.
    pub cases: Vec<(String, String)>,
}

/// Every schema of events, or of commands, in the order of the protos; `of` is `event` or
/// `command`.
///
/// # Errors
/// Protos that do not compile.
pub fn choices(root: &Path, of: &str) -> Result<Vec<Choice>> {
    let protos = Protos::compile(root)?;
    let comments = comments(&protos);
    let about = |message: &MessageDescriptor| {
        let place = (message.parent_file().name().to_owned(), message.path().to_vec());
        comments.get(&place).cloned().unwrap_or_default()
    };
    let file = format!("{of}s.proto");
    let chosen = protos.pool.all_messages().filter(|message| {
        message.parent_file().name().ends_with(&file)
            && message.oneofs().any(|oneof| oneof.name() == of)
    });
    let choice = |message: MessageDescriptor| {
        let parts = message.fields().filter_map(|field| match field.kind() {
            Kind::Message(part) => Some(part),
            _ => None,
        });
        let cases = parts.map(|part| (part.name().to_owned(), about(&part))).collect();
        Choice { name: message.full_name().to_owned(), about: about(&message), cases }
    };
    Ok(chosen.map(choice).collect())
}
