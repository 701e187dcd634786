//! `log`: what happened, up to now or to a moment of the past.

use crate::args::{LogArgs, Output};
use crate::as_of::AsOf;
use crate::failure::{Done, Failure};
use crate::hub::Hub;
use crate::log::{Line, each, filter, lines_of};
use crate::print::paint::Paint;
use crate::print::{line, out};
use crate::target::Target;
use fleetlog_kernel::Position;
use futures::StreamExt as _;
use std::ops::RangeInclusive;

/// How many bytes are printed at once.
const PAGE: usize = 64 * 1024;

/// `fleetlog log`.
///
/// # Errors
/// Unknown kinds, an object that never was, a moment that the log does not hold, a server that does
/// not answer.
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
        let as_of = AsOf::parse(args.as_of.as_deref(), hub.now())?;
        let until = match as_of {
            AsOf::Now => u64::MAX,
            _ => as_of.position(hub).await?,
        };
        return print(hub, about.as_ref(), args.from..=until, show).await;
    }
    let after = Position(args.from.saturating_sub(1));
    let history = hub.history().await?;
    let mut entries = history.follow(&filter(about.as_ref())?, after).await?.entries;
    while let Some(entry) = entries.next().await {
        lines_of(&entry?).iter().for_each(|found| line(&show(found)));
    }
    Err(Failure::new("CLI0010", "the log ended", "see whether the hub still runs"))
}

/// Prints what is there, a page at a time: however long the log is, little of it is held.
async fn print(
    hub: &Hub,
    about: Option<&Target>,
    span: RangeInclusive<u64>,
    show: fn(&Line) -> String,
) -> Done {
    let mut page = String::new();
    let done = each(hub, about, span, |line| {
        page.push_str(&show(&line));
        page.push('\n');
        if page.len() >= PAGE {
            out(&std::mem::take(&mut page));
        }
    });
    done.await?;
    out(&page);
    Ok(())
}
