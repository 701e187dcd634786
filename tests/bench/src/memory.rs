//! Resident memory of a process, from what the operating system says.

use anyhow::{Context as _, Result};

/// The resident set of a process in MiB.
///
/// # Errors
/// A process that is gone, or a system that does not tell.
pub fn resident_mib(pid: u32) -> Result<f64> {
    if let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) {
        return of_status(&status).with_context(|| format!("process {pid} has no resident set"));
    }
    let output = std::process::Command::new("ps")
        .args(["-o", "rss=", "-p", &pid.to_string()])
        .output()
        .context("run ps")?;
    let text = String::from_utf8(output.stdout)?;
    let kib: f64 = text.trim().parse().with_context(|| format!("process {pid} is gone"))?;
    Ok(kib / 1024.0)
}

fn of_status(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resident_set_is_read_in_mib() {
        assert_eq!(of_status("Name: x\nVmRSS:\t  2048 kB\n"), Some(2.0));
        assert_eq!(of_status("Name: x\n"), None);
        assert!(resident_mib(std::process::id()).unwrap() > 0.1);
    }
}
