//! Cargo, as if it had been called by hand.

use std::path::Path;
use std::process::Command;

/// What `cargo run` tells the program that it runs about its package. A build script that looks at
/// such a variable would be run anew, and all that depends on it built anew, each time that cargo
/// is called from a shell and from here by turns.
const OF_THIS_PACKAGE: [&str; 2] = ["CARGO_PKG_", "CARGO_MANIFEST_"];

/// Cargo with these arguments, in the checkout.
#[must_use]
pub fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let told = std::env::vars_os().map(|(name, _)| name);
    let ours = told.filter(|name| {
        let name = name.to_string_lossy();
        OF_THIS_PACKAGE.iter().any(|prefix| name.starts_with(prefix))
    });
    for name in ours {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(root);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_is_told_nothing_of_the_package_that_calls_it() {
        let command = cargo(Path::new("/"), &["--version"]);
        let removed: Vec<_> =
            command.get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
        for name in ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR", "CARGO_PKG_VERSION_MAJOR"] {
            assert!(std::env::var_os(name).is_some(), "cargo sets {name} for tests");
            assert!(removed.contains(&name.as_ref()), "{name} is handed on");
        }
        assert!(!removed.contains(&"CARGO_HOME".as_ref()));
    }
}
