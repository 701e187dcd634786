//! What the demo shows while it runs: headings, plain lines, and one table that moves on a
//! terminal. With `--json` it goes to nobody.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal as _;

/// The screen of a demo.
pub struct View {
    quiet: bool,
    moving: Option<ProgressBar>,
    /// The last table that was printed, where nothing moves.
    printed: String,
    step: u32,
}

impl View {
    /// For people, or for nobody.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        Self { quiet, moving: None, printed: String::new(), step: 0 }
    }

    /// Begins the next step of the story.
    pub fn heading(&mut self, text: &str) {
        self.settle();
        self.step += 1;
        let bold = !self.quiet && std::io::stdout().is_terminal() && no_color_is_unset();
        let (on, off) = if bold { ("\u{1b}[1m", "\u{1b}[0m") } else { ("", "") };
        self.line(&format!("\n{on}{}. {text}{off}", self.step));
    }

    /// One plain line.
    pub fn line(&self, text: &str) {
        if self.quiet {
            return;
        }
        match &self.moving {
            Some(bar) => bar.suspend(|| println!("{text}")),
            None => println!("{text}"),
        }
    }

    /// A command as a user would type it.
    pub fn command(&self, text: &str) {
        self.line(&format!("   $ {text}"));
    }

    /// Lines, indented.
    pub fn block(&self, text: &str) {
        text.lines().for_each(|line| self.line(&format!("   {line}")));
    }

    /// Shows a table where the one before it stood; where nothing moves, only changes are printed.
    pub fn table(&mut self, table: &str) {
        if self.quiet || table == self.printed {
            return;
        }
        self.printed = table.to_owned();
        if std::io::stdout().is_terminal() {
            let bar = self.moving.get_or_insert_with(|| {
                let style = ProgressStyle::with_template("{msg}");
                let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
                ProgressBar::no_length().with_style(style)
            });
            bar.set_message(table.lines().map(|l| format!("   {l}\n")).collect::<String>());
            bar.tick();
        }
    }

    /// Leaves the last table on the screen for good.
    pub fn settle(&mut self) {
        if let Some(bar) = self.moving.take() {
            bar.finish_and_clear();
        }
        let last = std::mem::take(&mut self.printed);
        if !last.is_empty() {
            self.block(&last);
        }
    }
}

fn no_color_is_unset() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
