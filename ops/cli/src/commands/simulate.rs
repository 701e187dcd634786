//! `simulate`: what would come of a change, without making it.

use crate::args::{Output, SimulateArgs};
use crate::as_of::AsOf;
use crate::documents::{read as read_documents, sources};
use crate::failure::{Done, Failure};
use crate::hub::Hub;
use crate::print::objects::{name_of, namespace_of};
use crate::print::paint::Paint;
use crate::print::table::Rows;
use crate::print::{document_out, out};
use crate::target::Target;
use crate::{supposed, why};
use fleetlog_kernel::Service;
use fleetlog_messages::common::Query;
use fleetlog_messages::placement::{
    ClusterExplained, Placement, PlacementSimulated, SimulatePlacement,
};
use prost::Message as _;
use serde_json::{Value, json};
use std::path::PathBuf;

/// How much may be supposed in one question, in bytes: what a message may have.
const MOST: usize = 1_000_000;

/// What came of it.
pub(super) struct Simulated {
    target: Target,
    position: u64,
    placement: PlacementSimulated,
    clusters: Vec<ClusterExplained>,
    /// What follows for those who use the placement: the object, and what it is of.
    follows: Vec<(String, &'static str)>,
}

/// `fleetlog simulate placement`.
///
/// # Errors
/// Changes and files that cannot be read, a placement or cluster that is not there, a spec that
/// would be refused.
pub async fn run(args: &SimulateArgs, hub: &Hub) -> Done {
    let as_of = AsOf::parse(args.as_of.as_deref(), hub.now())?;
    let (target, placement) = placement(args)?;
    let changes = args.changes.iter().map(|text| supposed::change(text));
    let asked = SimulatePlacement {
        placement,
        changes: changes.collect::<Result<_, _>>()?,
        clusters: match &args.clusters {
            Some(file) => supposed::clusters(&sources(std::slice::from_ref(file))?)?,
            None => vec![],
        },
    };
    let simulated = simulate(hub, target, &asked, as_of).await?;
    match args.output.output {
        form @ (Output::Json | Output::Yaml) => document_out(form, &simulated.json())?,
        Output::Table | Output::Wide | Output::Name => out(&simulated.text(Paint::of_stdout())),
    }
    Ok(())
}

/// The placement that is meant, and what its file says.
fn placement(args: &SimulateArgs) -> Result<(Target, Option<Placement>), Failure> {
    let Some(file) = &args.filename else {
        let given = args.placement.as_deref().unwrap_or_default();
        let given = given.strip_prefix("placement/").unwrap_or(given);
        return Ok((Target::parse(&format!("placement/{given}"))?, None));
    };
    let file: &PathBuf = file;
    let mut given = read_documents(&sources(std::slice::from_ref(file))?, None)?;
    given.retain(|given| given.target.info.token == "placement");
    let [one] = given.as_slice() else {
        let sentence = format!("\"{}\" holds {} placements", file.display(), given.len());
        return Err(Failure::new("CLI0054", sentence, "give a file with one Placement"));
    };
    let read = fleetlog_objects::read::<Placement>(one.object.clone());
    let (object, _) = read.map_err(anyhow::Error::from)?;
    Ok((one.target.clone(), Some(object)))
}

pub(super) async fn simulate(
    hub: &Hub,
    target: Target,
    asked: &SimulatePlacement,
    as_of: AsOf,
) -> Result<Simulated, Failure> {
    let asked = asked.encode_to_vec();
    if asked.len() > MOST {
        let sentence =
            format!("what is supposed has {} bytes, at most {MOST} are taken", asked.len());
        return Err(Failure::new("CLI0055", sentence, "suppose fewer clusters at once"));
    }
    let query = Query { asked, ..why::about(&target) };
    let answer = hub.ask(Service::Placement, "simulate", as_of.of(query)).await?;
    let (position, mut objects) = (answer.0, answer.1.into_iter());
    let placement = why::read(&objects.next().unwrap_or_default())?;
    let clusters = objects.map(|object| why::read(&object)).collect::<Result<_, _>>()?;
    let follows = followers(hub, &target, as_of.resolved(position)).await?;
    Ok(Simulated { target, position, placement, clusters, follows })
}

/// The replica sets and add-ons that use the placement.
async fn followers(
    hub: &Hub,
    target: &Target,
    as_of: AsOf,
) -> Result<Vec<(String, &'static str)>, Failure> {
    let namespace = target.namespace.clone().unwrap_or_default();
    let sets = Query {
        kind: "replicaset".to_owned(),
        namespace: namespace.clone(),
        without_bodies: true,
        ..Query::default()
    };
    let named = |reference: &Value| reference["name"] == target.name.as_str();
    let any =
        |list: &Value, is: &dyn Fn(&Value) -> bool| list.as_array().into_iter().flatten().any(is);
    let mut follows = vec![];
    for set in hub.objects(Service::Work, as_of.of(sets)).await? {
        if any(&set["spec"]["placementRefs"], &named) {
            let namespace = namespace_of(&set).unwrap_or_default().to_owned();
            follows
                .push((format!("ManifestWorkReplicaSet/{namespace}/{}", name_of(&set)), "works"));
        }
    }
    let definitions = Query { kind: "definition".to_owned(), ..Query::default() };
    for definition in hub.objects(Service::Addon, as_of.of(definitions)).await? {
        let strategy = &definition["spec"]["installStrategy"];
        let ours = |given: &Value| named(given) && given["namespace"] == namespace.as_str();
        if any(&strategy["placements"], &ours) {
            follows.push((format!("ClusterManagementAddOn/{}", name_of(&definition)), "add-ons"));
        }
    }
    Ok(follows)
}

impl Simulated {
    pub(super) fn text(&self, paint: Paint) -> String {
        let PlacementSimulated { before, after, pages_before, pages_after, .. } = &self.placement;
        let mut lines = vec![
            paint.bold(&self.target.reference()),
            format!(
                "clusters: {before} now, {after} then; \
                 pages: {pages_before} now, {pages_after} then"
            ),
        ];
        let said = [&self.placement.satisfied, &self.placement.misconfigured];
        lines.extend(said.into_iter().filter(|said| !said.is_empty()).cloned());
        let mut rows = Rows::new(["", "cluster", "why"]);
        for explained in &self.clusters {
            let sign = if explained.chosen { "+" } else { "-" };
            rows.push(vec![sign.into(), explained.cluster.clone(), why::sentence(explained)]);
        }
        let table = match self.clusters.is_empty() {
            true => "nothing would change\n".to_owned(),
            false => rows.render(),
        };
        let (gained, lost) = (self.placement.gained.len(), self.placement.lost.len());
        let follows = self.follows.iter().filter(|_| gained + lost > 0);
        let follows = follows.map(|(object, what)| format!("{object}: {what} +{gained} -{lost}"));
        let follows: Vec<String> = follows.collect();
        let follows = match follows.is_empty() {
            true => String::new(),
            false => format!("\nwhat would follow:\n{}\n", follows.join("\n")),
        };
        format!("{}\n\n{table}{follows}", lines.join("\n"))
    }

    pub(super) fn json(&self) -> Value {
        let PlacementSimulated { gained, lost, .. } = &self.placement;
        let follows = self.follows.iter().map(|(object, what)| {
            json!({ "object": object, "of": what, "gained": gained.len(), "lost": lost.len() })
        });
        json!({
            "placement": self.target.reference(), "position": self.position,
            "gained": gained, "lost": lost,
            "before": self.placement.before, "after": self.placement.after,
            "pagesBefore": self.placement.pages_before, "pagesAfter": self.placement.pages_after,
            "satisfied": self.placement.satisfied, "misconfigured": self.placement.misconfigured,
            "clusters": self.clusters.iter().map(why::reason_json).collect::<Vec<_>>(),
            "follows": follows.collect::<Vec<_>>(),
        })
    }
}
