//! Why a placement chose whom it chose, as placement answers it, for people and as JSON. The
//! reasons are placement's; this only prints them.

use crate::as_of::AsOf;
use crate::failure::Failure;
use crate::hub::Hub;
use crate::print::paint::Paint;
use crate::print::table::Rows;
use crate::target::Target;
use fleetlog_kernel::Service;
use fleetlog_messages::common::Query;
use fleetlog_messages::placement::{ClusterExplained, ExplainPlacement, PlacementExplained};
use prost::Message;
use serde_json::{Value, json};

/// How many clusters are told for people; `-o wide` and `-o json` have all.
const SHOWN: usize = 40;

/// An answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Why {
    /// The position that it is of.
    pub position: u64,
    /// The placement as a whole.
    pub placement: PlacementExplained,
    /// Its clusters, or the one asked for.
    pub clusters: Vec<ClusterExplained>,
    /// Whether one was asked for.
    pub about_one: bool,
}

/// Asks why a placement is as it is, or was.
///
/// # Errors
/// A placement that is not there, a hub that does not answer.
pub async fn ask(
    hub: &Hub,
    target: &Target,
    cluster: Option<&str>,
    as_of: AsOf,
) -> Result<Why, Failure> {
    let asked = ExplainPlacement { cluster: cluster.unwrap_or_default().to_owned() };
    let query = Query { asked: asked.encode_to_vec(), ..about(target) };
    let answer = hub.ask(Service::Placement, "explain", as_of.of(query)).await?;
    let (position, mut objects) = (answer.0, answer.1.into_iter());
    let placement = read(&objects.next().unwrap_or_default())?;
    let clusters = objects.map(|object| read(&object)).collect::<Result<_, _>>()?;
    Ok(Why { position, placement, clusters, about_one: cluster.is_some() })
}

/// A question about a placement.
pub fn about(target: &Target) -> Query {
    Query {
        kind: target.info.token.to_owned(),
        namespace: target.namespace.clone().unwrap_or_default(),
        name: target.name.clone(),
        ..Query::default()
    }
}

/// One message of an answer.
///
/// # Errors
/// Bytes that are none.
pub fn read<M: Message + Default>(bytes: &[u8]) -> Result<M, Failure> {
    M::decode(bytes).map_err(|error| {
        let sentence = format!("the hub's answer cannot be read: {error}");
        Failure::new("CLI0011", sentence, "update this command to the hub's version")
    })
}

/// A cluster's reason and what to do about it, in one sentence.
#[must_use]
pub fn sentence(explained: &ClusterExplained) -> String {
    match explained.advice.as_str() {
        "" => explained.sentence.clone(),
        advice => format!("{}; {advice}", explained.sentence),
    }
}

impl Why {
    /// For people.
    #[must_use]
    pub fn text(&self, target: &Target, paint: Paint) -> String {
        let mut text = format!("{}\n{}", paint.bold(&target.reference()), self.summary());
        if let (true, [one]) = (self.about_one, self.clusters.as_slice()) {
            let chosen = if one.chosen { "is chosen" } else { "was not chosen" };
            text.push_str(&format!("\n{} {chosen}: {}\n", one.cluster, sentence(one)));
            return text;
        }
        let mut rows = Rows::new(["cluster", "chosen", "why"]);
        // The chosen first, then those that come closest.
        let mut order: Vec<&ClusterExplained> = self.clusters.iter().collect();
        let far = |rank: u64| if rank == 0 { u64::MAX } else { rank };
        order.sort_by_key(|explained| (!explained.chosen, far(explained.rank)));
        for explained in order.iter().take(SHOWN) {
            let chosen = if explained.chosen { "yes" } else { "no" };
            rows.push(vec![explained.cluster.clone(), chosen.into(), sentence(explained)]);
        }
        if !order.is_empty() {
            text.push_str(&format!("\n{}", rows.render()));
        }
        if order.len() > SHOWN {
            let more = order.len() - SHOWN;
            text.push_str(&format!("and {more} more: name one with --cluster, or use -o wide\n"));
        }
        text
    }

    fn summary(&self) -> String {
        let PlacementExplained { revision, wanted, fitting, chosen, .. } = &self.placement;
        let wanted = wanted.map_or("all that fit".to_owned(), |wanted| wanted.to_string());
        let mut lines = vec![format!(
            "revision {revision}: {chosen} chosen of {fitting} that fit; wanted: {wanted}"
        )];
        if !self.placement.sets.is_empty() {
            lines.push(format!("sets: {}", self.placement.sets.join(", ")));
        }
        let dropped = self.placement.dropped.iter();
        let dropped: Vec<String> = dropped.map(|(rule, count)| format!("{rule} {count}")).collect();
        if !dropped.is_empty() {
            lines.push(format!("not chosen, by rule: {}", dropped.join(", ")));
        }
        let said = [&self.placement.satisfied, &self.placement.misconfigured];
        lines.extend(said.into_iter().filter(|said| !said.is_empty()).cloned());
        if !self.placement.settled {
            lines.push("the next decision is on its way: this is what it will say".to_owned());
        }
        lines.join("\n") + "\n"
    }

    /// A table of all clusters, with a column per prioritizer.
    #[must_use]
    pub fn wide(&self) -> String {
        let weighed = self.placement.prioritizers.iter().map(|p| match p.weight {
            1 => p.name.clone(),
            weight => format!("{} x{weight}", p.name),
        });
        let columns: Vec<String> = weighed.collect();
        let headings = ["cluster", "chosen", "rank", "total"].map(str::to_owned).into_iter();
        let headings = headings.chain(columns.iter().cloned()).chain(["why".to_owned()]);
        let mut rows = Rows::new(headings);
        for explained in &self.clusters {
            let fits = explained.rank > 0;
            let number = |number: String| if fits { number } else { "-".to_owned() };
            let scores = (0..columns.len())
                .map(|at| explained.scores.get(at).map_or("-".to_owned(), ToString::to_string));
            let chosen = if explained.chosen { "yes" } else { "no" };
            let first = [
                explained.cluster.clone(),
                chosen.to_owned(),
                number(explained.rank.to_string()),
                number(explained.total.to_string()),
            ];
            rows.push(first.into_iter().chain(scores).chain([sentence(explained)]).collect());
        }
        rows.render()
    }

    /// Everything.
    #[must_use]
    pub fn json(&self) -> Value {
        let PlacementExplained { prioritizers, .. } = &self.placement;
        let placement = json!({
            "revision": self.placement.revision, "generation": self.placement.generation,
            "sets": self.placement.sets, "wanted": self.placement.wanted,
            "fitting": self.placement.fitting, "chosen": self.placement.chosen,
            "dropped": self.placement.dropped, "satisfied": self.placement.satisfied,
            "misconfigured": self.placement.misconfigured, "settled": self.placement.settled,
            "prioritizers": prioritizers
                .iter()
                .map(|p| json!({ "name": p.name, "weight": p.weight }))
                .collect::<Vec<_>>(),
        });
        let clusters: Vec<Value> =
            self.clusters.iter().map(|one| cluster_json(one, &self.placement)).collect();
        json!({ "position": self.position, "placement": placement, "clusters": clusters })
    }
}

fn cluster_json(explained: &ClusterExplained, placement: &PlacementExplained) -> Value {
    let names = placement.prioritizers.iter().map(|p| p.name.clone());
    let scores: serde_json::Map<String, Value> =
        names.zip(explained.scores.iter().map(|score| json!(score))).collect();
    let mut value = reason_json(explained);
    value["scores"] = Value::Object(scores);
    value
}

/// A cluster's verdict without its scores.
#[must_use]
pub fn reason_json(explained: &ClusterExplained) -> Value {
    json!({
        "cluster": explained.cluster, "chosen": explained.chosen, "rule": explained.rule,
        "sentence": explained.sentence, "advice": explained.advice, "rank": explained.rank,
        "total": explained.total, "group": explained.group, "groupIndex": explained.group_index,
    })
}
