//! `log`: what happened.

use crate::args::{LogArgs, Output};
use crate::failure::{Done, Failure};
use crate::hub::Hub;
use crate::log::{Line, filter, lines_of, read};
use crate::print::paint::Paint;
use crate::print::{line, out};
use crate::target::Target;
use fleetlog_kernel::Position;
use futures::StreamExt as _;

/// `fleetlog log`.
///
/// # Errors
/// Unknown kinds, an object that never was, a server that does not answer.
pub async fn run(args: &LogArgs, hub: &Hub) -> Done {
    let about = args.object.as_deref().map(Target::parse).transpose()?;
    let show: fn(&Line) -> String = match args.output.output {
        Output::Json => Line::json,
        Output::Table | Output::Wide => |line| line.text(Paint::of_stdout()),
        Output::Yaml | Output::Name => {
            let advice = "use -o table, or -o json for one object a line";
            return Err(Failure::usage("the log has no such form", advice));
        }
    };
    if !args.follow {
        let lines = read(hub, about.as_ref(), args.from).await?;
        let text: String = lines.iter().map(|line| show(line) + "\n").collect();
        out(&text);
        return Ok(());
    }
    let after = Position(args.from.saturating_sub(1));
    let history = hub.history().await?;
    let mut entries = history.follow(&filter(about.as_ref())?, after).await?.entries;
    while let Some(entry) = entries.next().await {
        lines_of(&entry?).iter().for_each(|found| line(&show(found)));
    }
    Err(Failure::new("CLI0010", "the log ended", "see whether the hub still runs"))
}
