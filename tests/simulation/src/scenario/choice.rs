//! What the user does about choosing: a placement comes, goes and is edited, while clusters are
//! tainted, labelled and scored.

use super::{CLUSTERS, NAMESPACE, Scenario, object};
use crate::happening::Happening;
use fleetlog_kernel::Service;
use fleetlog_messages::placement::{
    ApplyScore, DeletePlacement, DeleteScore, PlacementCommand, Rebalance, ScoreCommand,
    placement_command, score_command,
};
use fleetlog_messages::subject::AggregateId;
use prost::Message as _;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The placement that all of this is about.
pub const PICKY: &str = "picky";
/// The object that an add-on's scores of a cluster stand in, and the score.
const SCORES: &str = "demo";
const SCORE: &str = "cpu";
const EFFECTS: [&str; 3] = ["NoSelect", "NoSelectIfNew", "PreferNoSelect"];
const TIERS: [&str; 2] = ["gold", "tin"];

/// What the user has said so far.
#[derive(Debug, Default)]
pub(super) struct Tastes {
    /// The effect of the taint of each cluster that has one.
    tainted: BTreeMap<&'static str, &'static str>,
    /// The label of each cluster that has one.
    tiers: BTreeMap<&'static str, &'static str>,
    scored: BTreeSet<&'static str>,
    is_there: bool,
    number: Option<u64>,
    by_tier: bool,
    spread: bool,
    /// The policy's mode, and the weight of the add-on's score.
    policy: Option<(&'static str, i64)>,
    /// How long the taint is tolerated, in seconds.
    tolerated: Option<u64>,
}

impl Tastes {
    /// The taint and the tier that the user gives a cluster.
    pub(super) fn of(&self, name: &str) -> (Option<Value>, Option<&'static str>) {
        let taint = |effect| json!({"key": "maintenance", "value": "", "effect": effect});
        (self.tainted.get(name).map(taint), self.tiers.get(name).copied())
    }

    fn spec(&self) -> Value {
        let mut spec = json!({});
        if let Some(number) = self.number {
            spec["numberOfClusters"] = json!(number);
        }
        if self.by_tier {
            let selector = json!({"labelSelector": {"matchLabels": {"tier": TIERS[0]}}});
            spec["predicates"] = json!([{"requiredClusterSelector": selector}]);
        }
        if self.spread {
            spec["spreadPolicy"] = json!({"spreadConstraints": [{
                "topologyKey": "tier", "topologyKeyType": "Label", "maxSkew": 1,
                "whenUnsatisfiable": "ScheduleAnyway",
            }]});
        }
        if let Some((mode, weight)) = self.policy {
            let add_on = json!({"resourceName": SCORES, "scoreName": SCORE});
            let score = json!({"type": "AddOn", "addOn": add_on});
            spec["prioritizerPolicy"] = json!({
                "mode": mode,
                "configurations": [{"scoreCoordinate": score, "weight": weight}],
            });
        }
        if let Some(seconds) = self.tolerated {
            spec["tolerations"] = json!([{
                "key": "maintenance", "operator": "Exists", "tolerationSeconds": seconds,
            }]);
        }
        spec
    }
}

impl Scenario {
    /// Sets the fleet up, with a placement that is about to be edited.
    pub async fn set_up_choices(&mut self) {
        self.chooses = true;
        self.set_up().await;
        self.edit().await;
    }

    /// Does the next thing about choosing; says what it was.
    pub async fn choose(&mut self) -> Happening {
        let name = self.chance.pick(&CLUSTERS).copied().unwrap_or(CLUSTERS[0]);
        match self.chance.below(100) {
            0..20 => self.taint(name).await,
            20..36 => {
                let tier = self.chance.pick(&TIERS).copied();
                self.tastes.tiers.extend(tier.map(|tier| (name, tier)));
                self.specify(name).await;
                Happening::Relabel
            }
            36..60 => self.score(name).await,
            60..86 => self.edit().await,
            86..92 if self.tastes.is_there => {
                let command = Some(placement_command::Command::Rebalance(Rebalance {}));
                self.ask(&picky(), PlacementCommand { command }.encode_to_vec()).await;
                Happening::Rebalance
            }
            _ if self.tastes.is_there => {
                self.tastes.is_there = false;
                let command = Some(placement_command::Command::Delete(DeletePlacement {}));
                self.ask(&picky(), PlacementCommand { command }.encode_to_vec()).await;
                Happening::Deletion
            }
            _ => self.edit().await,
        }
    }

    async fn taint(&mut self, name: &'static str) -> Happening {
        let effect = self.chance.pick(&EFFECTS).copied().unwrap_or(EFFECTS[0]);
        let had = self.tastes.tainted.remove(name).is_some();
        if !had {
            self.tastes.tainted.insert(name, effect);
        }
        self.specify(name).await;
        if had { Happening::Untaint } else { Happening::Taint }
    }

    async fn score(&mut self, name: &'static str) -> Happening {
        let to = AggregateId::namespaced(Service::Placement, "score", name, SCORES);
        if self.tastes.scored.contains(name) && self.chance.below(4) == 0 {
            self.tastes.scored.remove(name);
            let command = Some(score_command::Command::Delete(DeleteScore {}));
            self.ask(&to, ScoreCommand { command }.encode_to_vec()).await;
            return Happening::Unscore;
        }
        self.tastes.scored.insert(name);
        let value = i64::try_from(self.chance.below(201)).unwrap_or_default() - 100;
        let score = json!({
            "metadata": {"name": SCORES, "namespace": name},
            "status": {"scores": [{"name": SCORE, "value": value}]},
        });
        let apply = ApplyScore { score: object(score), ..ApplyScore::default() };
        let command = Some(score_command::Command::Apply(apply));
        self.ask(&to, ScoreCommand { command }.encode_to_vec()).await;
        Happening::Score
    }

    /// One thing about the placement is another.
    async fn edit(&mut self) -> Happening {
        let tastes = &mut self.tastes;
        match self.chance.below(5) {
            0 => {
                let number = self.chance.below(4);
                tastes.number = (number > 0).then_some(number);
            }
            1 => tastes.by_tier = !tastes.by_tier,
            2 => tastes.spread = !tastes.spread,
            3 => {
                let policies = [None, Some(("Exact", 1)), Some(("Additive", 3))];
                tastes.policy = self.chance.pick(&policies).copied().flatten();
            }
            _ => {
                let seconds = self.chance.below(40);
                tastes.tolerated = (seconds > 0).then_some(seconds);
            }
        }
        let was_there = std::mem::replace(&mut tastes.is_there, true);
        let spec = self.tastes.spec();
        self.apply_placement(PICKY, spec).await;
        if was_there { Happening::Edit } else { Happening::Creation }
    }
}

fn picky() -> AggregateId {
    AggregateId::namespaced(Service::Placement, "placement", NAMESPACE, PICKY)
}
