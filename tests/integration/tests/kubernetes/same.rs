//! Every file of steps, on both.

use crate::accepted::Acceptance;
use crate::answer::{differences, plain};
use crate::both::{Both, Raw};
use crate::script::{Kept, Step, steps};
use fleetlog_test_support::eventually;
use serde_json::Value;

/// The files, in their order.
const FILES: [&str; 9] =
    ["writes", "custom", "reads", "forms", "deletions", "watches", "rights", "discovery", "fleet"];

/// A file beside this one.
fn beside(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kubernetes");
    std::fs::read_to_string(format!("{folder}/{name}")).unwrap()
}

/// One of two gets so far with a step.
async fn asked(both: &Both, step: &Step, kept: &[Kept; 2]) -> [Raw; 2] {
    let Some(code) = step.until() else {
        let requests = [step.request(&kept[0]), step.request(&kept[1])];
        return both.ask(requests, step.events()).await;
    };
    let step_is_there = async || {
        let requests = [step.request(&kept[0]), step.request(&kept[1])];
        let answers = both.ask(requests, 0).await;
        answers.iter().all(|raw| u64::from(raw.code) == code).then_some(answers)
    };
    eventually(&format!("{} is {code}", step.title), step_is_there).await.unwrap()
}

/// Runs a file; answers what differs and is not meant to.
async fn run(both: &Both, name: &str, text: &str, accepted: &mut Acceptance) -> Vec<String> {
    let (mut kept, mut wrong) = ([Kept::new(), Kept::new()], vec![]);
    for step in steps(text) {
        let answers = asked(both, &step, &kept).await;
        if !step.keep().is_empty() {
            for (kept, raw) in kept.iter_mut().zip(&answers) {
                let value = serde_json::from_slice::<Value>(&raw.body).unwrap_or_default();
                kept.insert(step.keep().to_owned(), value);
            }
        }
        let [kube, ours] = answers.each_ref().map(|raw| plain(raw, step.events() > 0));
        if step.is_setup() {
            assert_eq!(kube["code"], ours["code"], "{}: {kube} {ours}", step.title);
            continue;
        }
        let kind = match kube["body"]["reason"].as_str() {
            Some(reason) => format!("{}/{reason}", step.resource()),
            None => step.resource(),
        };
        for difference in differences(&kube, &ours) {
            if !accepted.takes(&kind, &difference) {
                let side = |value: &Option<Value>| {
                    value.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string)
                };
                let (theirs, ours) = (side(&difference.kube), side(&difference.gateway));
                wrong.push(format!(
                    "{name}: {}\n  $.{} {kind}\n    kube {theirs}\n    ours {ours}",
                    step.title, difference.path
                ));
            }
        }
    }
    wrong
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_answers_as_kubernetes_does() {
    let Some(both) = Both::start("the gateway beside a real kube-apiserver").await else { return };
    let mut accepted = Acceptance::read(&beside("accepted.txt"));
    let mut wrong = vec![];
    for name in FILES {
        let text = beside(&format!("steps/{name}.yaml"));
        wrong.extend(run(&both, name, &text, &mut accepted).await);
    }
    let count = wrong.len();
    assert!(wrong.is_empty(), "{count} differences:\n{}", wrong.join("\n"));
    let unused = accepted.unused();
    assert!(unused.is_empty(), "nothing differs by these: {unused:#?}");
}
