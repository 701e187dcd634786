//! What is printed: tables, objects in every form. Where the values come from is not known
//! here.

pub mod describe;
pub mod objects;
pub mod paint;
pub mod plan;
pub mod table;

use crate::args::Output;
use crate::failure::Done;
use serde::Serialize;
use std::io::Write as _;

/// Writes to standard output. A reader that went away (`| head`) ends the process in silence.
pub fn out(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    if written.is_err() {
        std::process::exit(0);
    }
}

/// Writes one line to standard output.
pub fn line(text: &str) {
    out(&format!("{text}\n"));
}

/// Writes a document to standard output: as YAML where that was asked for, else as JSON.
///
/// # Errors
/// What has no such form, such as a map whose keys are not texts.
pub fn document_out(form: Output, document: &impl Serialize) -> Done {
    match form {
        Output::Yaml => {
            let document = serde_json::to_value(document).map_err(anyhow::Error::from)?;
            out(&fleetlog_objects::to_yaml(&document));
        }
        _ => line(&serde_json::to_string_pretty(document).map_err(anyhow::Error::from)?),
    }
    Ok(())
}

/// Writes one line to standard error: what is worth a word but ends nothing.
pub fn warn(text: &str) {
    // Where nobody listens, nobody is to be told.
    let _ = writeln!(std::io::stderr(), "warning: {text}");
}
