//! `topology`: the streams, consumers, accounts and permissions of a hub against what they should
//! be. What they should be lies in the topology's own data.

use crate::args::{Output, SiteArgs, TopologyApplyArgs, TopologyCommand};
use crate::failure::{Done, Failure};
use crate::hub;
use crate::print::plan::{document, done, table};
use crate::print::{line, out};
use fleetlog_chassis::Clock;
use fleetlog_topology::apply::{Site, connect};
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
    let changed = site.apply(&args.yes_lose_data).await.map_err(all)?;
    if let Some((dir, _)) = &place.folder {
        folder::keep_profile(dir, place.profile)?;
    }
    let waiting = site.plan().await?;
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
        Output::Json => line(&serde_json::to_string_pretty(document).unwrap_or_default()),
        Output::Yaml => out(&fleetlog_objects::to_yaml(document)),
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
    creds: PathBuf,
    profile: Profile,
    folder: Option<(PathBuf, Identity)>,
}

impl Place {
    fn find(args: &SiteArgs, data: Option<&PathBuf>) -> Result<Self, Failure> {
        if let (Some(url), Some(creds)) = (&args.url, &args.creds) {
            let profile = args.profile.ok_or_else(|| {
                let sentence = "what the hub at that address should be is not known here";
                Failure::usage(sentence, "say it with --profile dev, single or ha")
            })?;
            return Ok(Self { url: url.clone(), creds: creds.clone(), profile, folder: None });
        }
        let dir = hub::folder(data)?;
        let running = folder::find(dir)?;
        let identity = Identity::read(dir, Clock::System.now())?;
        Ok(Self {
            url: running.nats_url.unwrap_or_default(),
            creds: dir.join("creds").join("operator.creds"),
            profile: args.profile.or(running.profile).unwrap_or_default(),
            folder: Some((dir.to_path_buf(), identity)),
        })
    }

    async fn site(&self) -> Result<Site<'_>, Failure> {
        let credentials = folder::read_credentials(&self.creds)?;
        let client = connect(&self.url, &credentials).await?;
        let folder = self.folder.as_ref().map(|(dir, identity)| (dir.as_path(), identity));
        Ok(Site { client, profile: self.profile, folder })
    }
}
