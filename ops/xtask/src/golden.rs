//! Golden bytes: for every message one deterministic sample with every field filled (one a case,
//! where a message is one of several), made from the descriptors so that none can be forgotten.
//! What was written once is never written again: a changed shape gets a file of its own beside the
//! old one. Whether they still read the same is a test's business.

use crate::catalogue::{Protos, is_ours};
use anyhow::{Context as _, Result, ensure};
use data_encoding::HEXLOWER;
use prost_reflect::prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor,
    ReflectMessage as _, Value,
};
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// Where golden files lie, from the project's root: `<full name>.<n>.jsonl`, `n` from 1.
pub const FOLDER: &str = "schemas/messages/golden";

/// One sample: a line of a golden file.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The case that it fills; empty where a message has no cases.
    pub case: String,
    /// The encoded message.
    pub bytes: Vec<u8>,
    /// What these bytes say, by the names of the protos.
    pub reads: Json,
}

impl Sample {
    fn line(&self) -> String {
        let bytes = HEXLOWER.encode(&self.bytes);
        json!({ "case": self.case, "bytes": bytes, "reads": self.reads }).to_string()
    }

    fn of_line(line: &str) -> Result<Self> {
        let json: Json = serde_json::from_str(line)?;
        let text = |name: &str| json[name].as_str().context("a golden line has texts");
        let bytes = HEXLOWER.decode(text("bytes")?.as_bytes())?;
        Ok(Self { case: text("case")?.to_owned(), bytes, reads: json["reads"].clone() })
    }
}

/// The golden files of one message, in the order in which they were written.
pub type Golden = BTreeMap<String, Vec<Vec<Sample>>>;

/// The messages as the protos have them now.
pub struct Messages {
    pool: DescriptorPool,
}

impl Messages {
    /// Compiles the protos.
    ///
    /// # Errors
    /// Protos that do not compile.
    pub fn compile(root: &Path) -> Result<Self> {
        Ok(Self { pool: Protos::compile(root)?.pool })
    }

    /// Every message that crosses a process, by its full name, with its samples.
    ///
    /// # Errors
    /// A field of a type that no message of ours has yet.
    pub fn samples(&self) -> Result<BTreeMap<String, Vec<Sample>>> {
        let ours = self.pool.all_messages().filter(is_ours);
        ours.map(|message| Ok((message.full_name().to_owned(), samples_of(&message)?))).collect()
    }

    /// The names of a message's fields; none for one that the protos do not have.
    #[must_use]
    pub fn fields(&self, message: &str) -> BTreeSet<String> {
        let found = self.pool.get_message_by_name(message);
        found.iter().flat_map(|m| m.fields()).map(|field| field.name().to_owned()).collect()
    }

    /// What the protos of now read in the bytes of a message.
    ///
    /// # Errors
    /// A message that the protos do not have, bytes that are not of it, a field that they lost.
    pub fn read(&self, message: &str, bytes: &[u8]) -> Result<Json> {
        let found = self.pool.get_message_by_name(message);
        let found = found.with_context(|| format!("the protos have no {message} any more"))?;
        let read = DynamicMessage::decode(found, bytes)?;
        told(&read)
    }
}

/// Reads every golden file.
///
/// # Errors
/// A file that is not one.
pub fn kept(root: &Path) -> Result<Golden> {
    let mut files: Vec<(String, u32, PathBuf)> = vec![];
    let folder = root.join(FOLDER);
    for entry in std::fs::read_dir(&folder).with_context(|| format!("read {FOLDER}"))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let named = name.strip_suffix(".jsonl").and_then(|name| name.rsplit_once('.'));
        let (message, number) = named.with_context(|| format!("{name} is no golden file"))?;
        files.push((message.to_owned(), number.parse()?, path.clone()));
    }
    files.sort();
    let mut golden = Golden::new();
    for (message, number, path) in files {
        let of_message = golden.entry(message).or_default();
        let text = std::fs::read_to_string(&path)?;
        let samples = text.lines().map(Sample::of_line).collect::<Result<Vec<_>>>();
        of_message.push(samples.with_context(|| path.display().to_string())?);
        ensure!(of_message.len() == number as usize, "one before {} is missing", path.display());
    }
    Ok(golden)
}

/// The samples of now that no golden file holds yet, by message.
///
/// # Errors
/// As [`Messages::samples`].
pub fn missing(messages: &Messages, kept: &Golden) -> Result<BTreeMap<String, Vec<Sample>>> {
    let mut missing = messages.samples()?;
    missing.retain(|name, samples| {
        let known = kept.get(name).into_iter().flatten().flatten();
        let known: BTreeSet<&[u8]> = known.map(|sample| sample.bytes.as_slice()).collect();
        samples.retain(|sample| !known.contains(sample.bytes.as_slice()));
        !samples.is_empty()
    });
    Ok(missing)
}

/// Writes what is missing and nothing else; answers the new files.
///
/// # Errors
/// Protos that do not compile, files that cannot be read or written.
pub fn write(root: &Path) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(root.join(FOLDER))?;
    let kept = kept(root)?;
    let mut written = vec![];
    for (name, samples) in missing(&Messages::compile(root)?, &kept)? {
        let number = kept.get(&name).map_or(0, Vec::len) + 1;
        let path = Path::new(FOLDER).join(format!("{name}.{number}.jsonl"));
        let lines: String = samples.iter().map(|sample| sample.line() + "\n").collect();
        let mut file = std::fs::File::create_new(root.join(&path))?;
        std::io::Write::write_all(&mut file, lines.as_bytes())?;
        written.push(path);
    }
    Ok(written)
}

/// One sample for each case; a single one where a message has none.
fn samples_of(message: &MessageDescriptor) -> Result<Vec<Sample>> {
    let cases = message.oneofs().filter(|oneof| !oneof.is_synthetic());
    let most = cases.map(|oneof| oneof.fields().len()).max().unwrap_or(1);
    (0..most).map(|nth| sample(message, nth)).collect()
}

fn sample(message: &MessageDescriptor, nth: usize) -> Result<Sample> {
    let filled = fill(message, nth, &mut vec![])?;
    let chosen = message.oneofs().filter(|oneof| !oneof.is_synthetic());
    let chosen = chosen.filter_map(|oneof| case(oneof.fields(), nth)).map(|f| f.name().to_owned());
    let case = chosen.collect::<Vec<_>>().join("+");
    Ok(Sample { case, bytes: filled.encode_to_vec(), reads: told(&filled)? })
}

fn case(fields: impl Iterator<Item = FieldDescriptor>, nth: usize) -> Option<FieldDescriptor> {
    let fields: Vec<_> = fields.collect();
    fields.get(nth % fields.len().max(1)).cloned()
}

/// The message with every field filled; of a oneof the `nth` case. A message within itself stays
/// empty there.
fn fill(
    message: &MessageDescriptor,
    nth: usize,
    within: &mut Vec<String>,
) -> Result<DynamicMessage> {
    let mut filled = DynamicMessage::new(message.clone());
    if within.iter().any(|outer| outer == message.full_name()) {
        return Ok(filled);
    }
    within.push(message.full_name().to_owned());
    for field in message.fields() {
        let oneof = field.containing_oneof().filter(|oneof| !oneof.is_synthetic());
        let chosen = oneof.is_none_or(|oneof| case(oneof.fields(), nth).as_ref() == Some(&field));
        if chosen {
            filled.set_field(&field, value(&field, within)?);
        }
    }
    within.pop();
    Ok(filled)
}

fn value(field: &FieldDescriptor, within: &mut Vec<String>) -> Result<Value> {
    if field.is_map() {
        let Kind::Message(entry) = field.kind() else { unreachable!("a map has entries") };
        let of = entry.map_entry_value_field();
        let key = match entry.map_entry_key_field().kind() {
            Kind::String => MapKey::String(format!("{}.key", field.name())),
            Kind::Uint32 => MapKey::U32(7),
            Kind::Uint64 => MapKey::U64(7),
            other => anyhow::bail!("{}: no key of {other:?} yet", field.full_name()),
        };
        return Ok(Value::Map(HashMap::from([(key, single(&of, field.name(), within)?)])));
    }
    let first = single(field, field.name(), within)?;
    if !field.is_list() {
        return Ok(first);
    }
    let second = match &first {
        Value::String(text) => Some(Value::String(format!("{text}.2"))),
        _ => None,
    };
    Ok(Value::List(std::iter::once(first).chain(second).collect()))
}

/// A value that tells which field it is of: texts hold its name, numbers a hash of it.
fn single(field: &FieldDescriptor, name: &str, within: &mut Vec<String>) -> Result<Value> {
    let number = 1 + field
        .full_name()
        .bytes()
        .fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)))
        % 100_000;
    Ok(match field.kind() {
        Kind::String => Value::String(name.to_owned()),
        Kind::Bytes => Value::Bytes(name.as_bytes().to_vec().into()),
        Kind::Bool => Value::Bool(true),
        Kind::Uint32 => Value::U32(number),
        Kind::Uint64 => Value::U64(u64::from(number)),
        Kind::Int32 => Value::I32(i32::try_from(number)?),
        Kind::Int64 => Value::I64(i64::from(number)),
        Kind::Sint32 => Value::I32(-i32::try_from(number)?),
        Kind::Sint64 => Value::I64(-i64::from(number)),
        Kind::Double => Value::F64(f64::from(number) + 0.5),
        Kind::Message(part) => Value::Message(fill(&part, 0, within)?),
        other => anyhow::bail!("{}: no sample of {other:?} yet", field.full_name()),
    })
}

/// What a message says, by the names of its fields.
fn told(message: &DynamicMessage) -> Result<Json> {
    let unknown: Vec<u32> = message.unknown_fields().map(|field| field.number()).collect();
    let name = message.descriptor().full_name().to_owned();
    ensure!(unknown.is_empty(), "{name} has no fields {unknown:?} any more");
    let mut fields = Map::new();
    for (field, value) in message.fields() {
        fields.insert(field.name().to_owned(), told_of(value)?);
    }
    Ok(Json::Object(fields))
}

fn told_of(value: &Value) -> Result<Json> {
    Ok(match value {
        Value::Bool(value) => json!(value),
        Value::I32(value) => json!(value),
        Value::I64(value) => json!(value),
        Value::U32(value) => json!(value),
        Value::U64(value) => json!(value),
        Value::F32(value) => json!(value),
        Value::F64(value) => json!(value),
        Value::String(value) => json!(value),
        Value::Bytes(value) => json!({ "hex": HEXLOWER.encode(value) }),
        Value::EnumNumber(value) => json!(value),
        Value::Message(value) => told(value)?,
        Value::List(values) => Json::Array(values.iter().map(told_of).collect::<Result<_>>()?),
        Value::Map(entries) => {
            let mut told = Map::new();
            for (key, value) in entries {
                let key = match key {
                    MapKey::String(text) => text.clone(),
                    MapKey::U32(number) => number.to_string(),
                    MapKey::U64(number) => number.to_string(),
                    other => anyhow::bail!("no words for the key {other:?} yet"),
                };
                told.insert(key, told_of(value)?);
            }
            Json::Object(told)
        }
    })
}
