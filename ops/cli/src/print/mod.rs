//! What is printed: tables, ages, objects in every form. Where the values come from is not known
//! here.

pub mod age;
pub mod describe;
pub mod json_path;
pub mod objects;
pub mod paint;
pub mod plan;
pub mod table;

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

/// Writes one line to standard error: what is worth a word but ends nothing.
pub fn warn(text: &str) {
    // Where nobody listens, nobody is to be told.
    let _ = writeln!(std::io::stderr(), "warning: {text}");
}
