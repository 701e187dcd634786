//! `topology`: the streams, consumers, accounts and permissions of a hub against what they should
//! be. What they should be lies in the topology's own data.

use crate::args::{Output, SiteArgs, TopologyApplyArgs, TopologyCommand};
use crate::failure::{Done, Failure};
use crate::hub;
use crate::print::plan::{document, done, table};
use crate::print::{document_out, out};
use fleetlog_chassis::Clock;
use fleetlog_topology::apply::{Applied, Site, connect};
use fleetlog_topology::plan::Plan;
use fleetlog_topology::{HubRefusal, Identity, Profile, folder};
use serde_json::Value;
use std::path::PathBuf;

/// `fleetlog topology`.
///
/// # Errors
/// No hub, a change that is refused, a difference that `verify` finds.
pub async fn run(command: &TopologyCommand, data: Option<&PathBuf>) -> Done {
    match command {
        TopologyCommand::Plan(args) => plan(args, data).await,
        TopologyCommand::Apply(args) => apply(args, data).await,
        TopologyCommand::Verify(args) => verify(args, data).await,
    }
}

async fn plan(args: &SiteArgs, data: Option<&PathBuf>) -> Done {
    let place = Place::find(args, data)?;
    let plan = place.site().await?.plan().await?;
    show(args.output.output, || table(&plan), &document(place.profile, &plan.changes))
}

async fn apply(args: &TopologyApplyArgs, data: Option<&PathBuf>) -> Done {
    let place = Place::find(&args.site, data)?;
    let site = place.site().await?;
    let Applied { done: changed, waiting } = site.apply(&args.yes_lose_data).await.map_err(all)?;
    if let Side::Folder(dir, _) = &place.side {
        folder::keep_profile(dir, place.profile)?;
    }
    let text = || done(&changed, &waiting);
    show(args.site.output.output, text, &document(place.profile, &changed))
}

async fn verify(args: &SiteArgs, data: Option<&PathBuf>) -> Done {
    let place = Place::find(args, data)?;
    let Plan { changes } = place.site().await?.plan().await?;
    let text = || format!("everything is as profile {} has it\n", place.profile);
    let refusal = Failure::all(changes.iter().map(|c| HubRefusal::differs(c).into()).collect());
    match (refusal, args.output.output) {
        (None, output) => show(output, text, &document(place.profile, &changes)),
        (Some(refusal), Output::Json | Output::Yaml) => {
            show(args.output.output, text, &document(place.profile, &changes))?;
            Err(refusal)
        }
        (Some(refusal), _) => Err(refusal),
    }
}

fn show(output: Output, text: impl FnOnce() -> String, document: &Value) -> Done {
    match output {
        Output::Table | Output::Wide => out(&text()),
        form @ (Output::Json | Output::Yaml) => document_out(form, document)?,
        Output::Name => {
            let advice = "use -o table, json or yaml";
            return Err(Failure::usage("a topology has no such form", advice));
        }
    }
    Ok(())
}

fn all(refusals: Vec<HubRefusal>) -> Failure {
    let failures = refusals.into_iter().map(Failure::from).collect();
    let nothing = || Failure::from(anyhow::anyhow!("the topology was not applied"));
    Failure::all(failures).unwrap_or_else(nothing)
}

/// Where a hub is, and what it should be.
struct Place {
    url: String,
    profile: Profile,
    side: Side,
}

/// As who it is looked at.
enum Side {
    /// As who has its folder, and sees everything.
    Folder(PathBuf, Box<Identity>),
    /// As its operator alone, with this credentials file.
    Operator(PathBuf),
}

impl Place {
    fn find(args: &SiteArgs, data: Option<&PathBuf>) -> Result<Self, Failure> {
        if let (Some(url), Some(creds)) = (&args.url, &args.creds) {
            let profile = args.profile.ok_or_else(|| {
                let sentence = "what the hub at that address should be is not known here";
                Failure::usage(sentence, "say it with --profile dev, single or ha")
            })?;
            return Ok(Self { url: url.clone(), profile, side: Side::Operator(creds.clone()) });
        }
        let dir = hub::folder(data)?;
        let running = folder::find(dir)?;
        let identity = Identity::read(dir, Clock::System.now())?;
        Ok(Self {
            url: running.nats_url.unwrap_or_default(),
            profile: args.profile.or(running.profile).unwrap_or_default(),
            side: Side::Folder(dir.to_path_buf(), Box::new(identity)),
        })
    }

    async fn site(&self) -> Result<Site<'_>, Failure> {
        Ok(match &self.side {
            Side::Folder(dir, identity) => {
                Site::of_folder(&self.url, self.profile, dir, identity).await?
            }
            Side::Operator(creds) => {
                let credentials = folder::read_credentials(creds)?;
                Site::at(connect(&self.url, &credentials).await?, self.profile)
            }
        })
    }
}
