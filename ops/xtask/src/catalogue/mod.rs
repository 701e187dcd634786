//! Everything that is generated from `schemas/proto`: Rust and the schema document, as texts by
//! path. Writing and comparing them is the caller's.

mod events;
mod groups;
mod kinds;
pub mod language;
mod rust;
mod schema;

pub(crate) use groups::is_ours;

use anyhow::{Context as _, Result};
use prost_reflect::DescriptorPool;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where the generated files lie, from the project's root.
pub const FOLDER: &str = "schemas/messages/src/generated";

/// The package of API object rules and metadata.
pub(crate) const COMMON: &str = "fleetlog.common.v1";

/// Compiled protos: what every generator reads.
pub(crate) struct Protos {
    pub pool: DescriptorPool,
    pub sources: protox::Compiler,
}

impl Protos {
    pub(crate) fn compile(root: &Path) -> Result<Self> {
        let folder = root.join("schemas/proto");
        let mut files = vec![];
        find(&folder, &mut files)?;
        files.retain(|file| file.extension().is_some_and(|ext| ext == "proto"));
        files.sort();
        let mut sources = protox::Compiler::new([&folder])?;
        sources.include_source_info(true).include_imports(true);
        for file in &files {
            sources.open_file(file).with_context(|| format!("compile {}", file.display()))?;
        }
        Ok(Self { pool: sources.descriptor_pool(), sources })
    }
}

/// Generates every file: its path from the project's root, and its content.
///
/// # Errors
/// Protos that do not compile, or break the rules of API objects.
pub fn generate(root: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let protos = Protos::compile(root)?;
    let groups = groups::all(&protos.pool);
    let mut files = rust::files(&protos, &groups)?;
    files.insert("kinds.rs".to_owned(), kinds::list(&protos.pool)?);
    files.insert("events.rs".to_owned(), events::list(&protos.pool)?);
    files.insert("messages.rs".to_owned(), events::messages(&protos.pool)?);
    let mut generated = BTreeMap::new();
    for (name, text) in files {
        let text = format(&text).with_context(|| format!("format {name}"))?;
        generated.insert(Path::new(FOLDER).join(name), text);
    }
    let document = schema::document(&protos)?;
    generated.insert(Path::new(FOLDER).join("schema.json"), document);
    Ok(generated)
}

/// Writes every file and removes those that are generated no more; answers how many changed.
///
/// # Errors
/// As [`generate`], and files that cannot be written.
pub fn write(root: &Path) -> Result<usize> {
    let mut changed = 0;
    let generated = generate(root)?;
    for (path, text) in &generated {
        let path = root.join(path);
        if std::fs::read_to_string(&path).ok().as_deref() != Some(text) {
            let folder = path.parent().context("a generated file lies in a folder")?;
            std::fs::create_dir_all(folder)?;
            std::fs::write(&path, text)?;
            changed += 1;
        }
    }
    for stale in committed(root)?.into_iter().filter(|path| !generated.contains_key(path)) {
        std::fs::remove_file(root.join(stale))?;
        changed += 1;
    }
    Ok(changed)
}

/// The files that lie in the folder, from the project's root.
///
/// # Errors
/// A folder that cannot be read.
pub fn committed(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = vec![];
    find(&root.join(FOLDER), &mut files)?;
    let relative = |path: PathBuf| path.strip_prefix(root).map(Path::to_path_buf);
    Ok(files.into_iter().map(relative).collect::<Result<_, _>>()?)
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { find(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

/// Runs rustfmt as the project is set up.
fn format(text: &str) -> Result<String> {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let config = "max_width=100,use_small_heuristics=Max,wrap_comments=false";
    let mut child = Command::new("rustfmt")
        .args(["--edition", "2024", "--config", config])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("run rustfmt")?;
    let mut input = child.stdin.take().context("rustfmt has no input")?;
    let text = text.to_owned();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output()?;
    writer.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??;
    anyhow::ensure!(output.status.success(), "rustfmt refused the text");
    Ok(String::from_utf8(output.stdout)?)
}
