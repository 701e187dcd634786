//! `hub follower`: users of other people's services, who read the log and nothing else.

use crate::args::{FollowerArgs, FollowerCommand, FollowerListArgs, Output};
use crate::failure::Done;
use crate::hub;
use crate::print::{document_out, line, out};
use fleetlog_chassis::Clock;
use fleetlog_kernel::Timestamp;
use fleetlog_messages::subject;
use fleetlog_topology::followers::{self, Follower};
use fleetlog_topology::{Identity, folder};
use std::path::PathBuf;

/// `fleetlog hub follower create|list|delete`.
///
/// # Errors
/// No running hub, and what topology refuses.
pub async fn run(command: FollowerCommand, data: Option<&PathBuf>) -> Done {
    let now = Clock::System.now();
    match command {
        FollowerCommand::Create(args) => create(&args, data, now).await,
        FollowerCommand::List(args) => list(&args, data),
        FollowerCommand::Delete { name } => {
            let folder = hub::folder(data)?;
            let url = folder::find(folder)?.nats_url.unwrap_or_default();
            followers::delete(folder, &url, &name, now).await?;
            line(&format!("follower/{name} deleted"));
            Ok(())
        }
    }
}

/// The first lines tell people and programs what the file is for; NATS clients pass over them.
async fn create(args: &FollowerArgs, data: Option<&PathBuf>, now: Timestamp) -> Done {
    let (name, all) = (&args.name, [subject::events().as_str().to_owned()]);
    let subjects = if args.subjects.is_empty() { &all[..] } else { &args.subjects };
    let folder = hub::folder(data)?;
    let url = folder::find(folder)?.nats_url.unwrap_or_default();
    let credentials = followers::create(folder, &url, name, subjects, now).await?;
    let id = Identity::read(folder, now)?.hub_id();
    out(&format!(
        "# Follower {name} of hub {id}: reads stream AUDIT, and is a secret.\n\
         # hub: {url}\n# subjects: {}\n{}",
        subjects.join(" "),
        credentials.to_file()
    ));
    Ok(())
}

fn list(args: &FollowerListArgs, data: Option<&PathBuf>) -> Done {
    let all = followers::all(hub::folder(data)?)?;
    match args.output.output {
        Output::Table | Output::Wide => all.iter().for_each(|follower| line(&row(follower))),
        Output::Name => all.iter().for_each(|f| line(&format!("follower/{}", f.name))),
        form @ (Output::Json | Output::Yaml) => document_out(form, &all)?,
    }
    Ok(())
}

fn row(follower: &Follower) -> String {
    let since = crate::log::millis(Timestamp::of_seconds(follower.created));
    format!("{}\t{since}\t{}", follower.name, follower.subjects.join(" "))
}
