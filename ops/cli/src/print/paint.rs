//! Colours, on terminals only, and never where `NO_COLOR` asks for none.

use std::io::IsTerminal as _;

/// Whether and how to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// Colours.
    On,
    /// None.
    Off,
}

impl Paint {
    /// For standard output, as it is now.
    #[must_use]
    pub fn of_stdout() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let on = std::io::stdout().is_terminal() && !set("NO_COLOR") && !dumb;
        if on { Self::On } else { Self::Off }
    }

    /// What matters less.
    #[must_use]
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// What matters more.
    #[must_use]
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// As the thing it names: a service, always in the same colour.
    #[must_use]
    pub fn service(self, service: &str, text: &str) -> String {
        let colour = match service {
            "registration" => "36",
            "placement" => "35",
            "work" => "32",
            "addon" => "34",
            "core" => "96",
            _ => "33",
        };
        self.wrap(colour, text)
    }

    /// What is gone.
    #[must_use]
    pub fn gone(self, text: &str) -> String {
        self.wrap("31", text)
    }

    /// What is new.
    #[must_use]
    pub fn come(self, text: &str) -> String {
        self.wrap("32", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        match self {
            Self::On => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            Self::Off => text.to_owned(),
        }
    }
}
