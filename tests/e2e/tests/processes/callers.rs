//! A caller whose line breaks between its command and the answer: it learns the outcome all the
//! same, and the command counts once, also when it is sent again.

use fleetlog_bus::{Client, JetStream, SharedBroker};
use fleetlog_chassis::Ids;
use fleetlog_e2e_tests::{Fleetlog, Line, Victim, Way, commits, order, programs, until_well};
use fleetlog_kernel::{Actor, CommandId, Position, Service};
use fleetlog_messages::common::{Accomplished, Outcome, outcome};
use fleetlog_messages::subject::{self, AggregateId};
use serde_json::json;

/// Who calls.
const CALLER: &str = "admin";

fn accomplished(outcome: Outcome) -> Accomplished {
    match outcome.result {
        Some(outcome::Result::Accomplished(done)) => done,
        other => panic!("{other:?}"),
    }
}

/// Where a command of the caller's was done.
async fn commits_of(operator: &SharedBroker, to: &AggregateId, id: &CommandId) -> Vec<u64> {
    let all = commits(operator, &to.event(), Position::START).await.unwrap();
    let own = all.iter().filter(|c| c.header.actor == CALLER && c.header.command == *id);
    own.map(|commit| commit.position.0).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_caller_whose_line_breaks_over_its_command_learns_the_outcome() {
    let mut whole = Fleetlog::without_services(programs!()).await.unwrap();
    let (decider, actor) = (Victim::Service(Service::Registration), Actor::new(CALLER));
    whole.serve(Service::Registration, None, &[]).unwrap();
    whole.answering().await.unwrap();
    let line = Line::to(whole.hub().url()).await.unwrap();
    let credentials = whole.hub().identity().unwrap().admin().unwrap();
    let broker = JetStream::connect(line.url(), credentials, CALLER).await.unwrap();
    let caller = Client::new(broker, actor.clone(), || Ids::Random.command());
    let operator = whole.hub().operator().await.unwrap();
    // The answer is under way and does not come; nothing goes through; the line is closed.
    for way in [Way::ToHub, Way::Held, Way::Cut] {
        let set = json!({
            "apiVersion": "cluster.open-cluster-management.io/v1beta2",
            "kind": "ManagedClusterSet",
            "metadata": { "name": format!("{way:?}").to_lowercase() }, "spec": {},
        });
        let (id, set) = (Ids::Random.command(), order(&set).unwrap());
        // Nobody decides until the line is broken.
        whole.kill(&decider).unwrap();
        let breaks = async {
            until_well("the command is taken", async || {
                let taken = operator.last("CMD", &set.to.command(&actor)).await?;
                anyhow::ensure!(taken.is_some(), "CMD does not hold it");
                Ok(())
            })
            .await
            .unwrap();
            line.set(way);
            whole.start_again(&decider).unwrap();
            until_well("its outcome is recorded", async || {
                let recorded = operator.last("RESULT", &subject::outcome(CALLER, &id)).await?;
                anyhow::ensure!(recorded.is_some(), "RESULT does not hold it");
                Ok(())
            })
            .await
            .unwrap();
            line.cut_once();
        };
        let call = caller.command_as(&id, &set.to, set.command.clone().into());
        let (learned, ()) = tokio::join!(call, breaks);
        let learned = accomplished(learned.unwrap());
        let done = [learned.position];
        assert_eq!(commits_of(&operator, &set.to, &id).await, done, "{way:?}: it is done once");
        let again = caller.command_as(&id, &set.to, set.command.into()).await.unwrap();
        assert_eq!(accomplished(again), learned, "{way:?}: sent again it has the same outcome");
        assert_eq!(commits_of(&operator, &set.to, &id).await, done, "{way:?}: once and for all");
    }
}
