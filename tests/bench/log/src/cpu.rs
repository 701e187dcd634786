//! Processor time of a process, from what the operating system says.

use anyhow::{Context as _, Result};

/// Ticks in a second, as Linux counts them for programs on every machine.
const TICKS: f64 = 100.0;

/// The seconds that a process has spent on all cores so far, for itself and in the system.
///
/// # Errors
/// A process that is gone, or a system that does not tell.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    if let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        return of_stat(&stat).with_context(|| format!("process {pid} has no times"));
    }
    let output = std::process::Command::new("ps")
        .args(["-o", "time=", "-p", &pid.to_string()])
        .output()
        .context("run ps")?;
    of_clock(String::from_utf8(output.stdout)?.trim())
        .with_context(|| format!("process {pid} is gone"))
}

/// The fields after the name, which may hold anything, are numbered from the state, the third.
fn of_stat(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (times.next()?.parse().ok()?, times.next()?.parse().ok()?);
    Some((user + system) / TICKS)
}

/// `[hours:]minutes:seconds`.
fn of_clock(text: &str) -> Option<f64> {
    let parts = text.split(':').map(|part| part.parse::<f64>().ok());
    parts.collect::<Option<Vec<f64>>>()?.into_iter().reduce(|total, part| total * 60.0 + part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_times_of_a_process_are_read() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 9 0 0 0 150 50 3 4 20 0 9 0 11";
        assert_eq!(of_stat(stat), Some(2.0));
        assert_eq!(of_stat("7 (a"), None);
        assert_eq!(of_clock("1:02.50"), Some(62.5));
        assert_eq!(of_clock(""), None);
        let spent = || cpu_seconds(std::process::id()).unwrap();
        let before = spent();
        while spent() <= before {}
    }
}
