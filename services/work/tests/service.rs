//! The service on a real nats-server, each side with its own user: a user hands manifests over and
//! applies, an agent syncs, checks signatures and reports, placements decide.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;
#[path = "service/parts.rs"]
mod parts;
#[path = "service/rebuilding.rs"]
mod rebuilding;

use anyhow::Context as _;
use bytes::Bytes;
use common::{
    Foreign, apply_set, apply_set_by, apply_work, bundle, cluster_joins, decision, done, report,
    set_key, work_key,
};
use fleetlog_bus::{
    AgentLink, Append, Client, ClientError, EventLog, MAX_COMMAND, NewCommit, Publish,
    SharedBroker, SignedDelivery,
};
use fleetlog_chassis::{Bounds, Bus, Clock, Context, Ground, Ids, Tasks};
use fleetlog_kernel::{Actor, ClusterName, CommandId, ContentHash, Position, Service};
use fleetlog_messages::common::{
    IntOrString, Outcome, Query, Refusal, SyncRequest, int_or_string, outcome,
};
use fleetlog_messages::envelope::header;
use fleetlog_messages::subject::{self, AggregateId, Report};
use fleetlog_messages::work::{
    Bundle, DeleteWork, Delivery, ReportWork, RolloutProgressive, RolloutStrategy, WorkCommand,
    work_command as on_work,
};
use fleetlog_test_support::{TestHub, eventually, eventually_within};
use fleetlog_work::{Settings, Works};
use fleetlog_work_domain::name::{Target, WorkKey};
use futures::StreamExt as _;
use prost::Message as _;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A hub with the work service on it, and everyone who speaks to it.
struct Stage {
    hub: TestHub,
    service: Arc<Context<Works>>,
    tasks: Tasks,
    user: Client,
    registration: EventLog,
    placement: EventLog,
}

async fn ground(hub: &TestHub) -> anyhow::Result<Ground> {
    let tasks = Tasks::default();
    let broker = hub.service(Service::Work).await?;
    Ok(Ground {
        bus: Bus::new(broker, &tasks),
        clock: Clock::System,
        ids: Arc::new(Ids::Random),
        tasks,
        bounds: Bounds::default(),
    })
}

async fn log(broker: SharedBroker, tasks: &Tasks) -> EventLog {
    let (log, commit) = EventLog::new(broker);
    tasks.spawn("group-commit", async move {
        commit.run().await;
        Ok(())
    });
    log
}

impl Stage {
    async fn new() -> anyhow::Result<Self> {
        Self::on(TestHub::start().await?, |_| ()).await
    }

    async fn on(hub: TestHub, tune: impl Fn(&mut Settings)) -> anyhow::Result<Self> {
        let ground = ground(&hub).await?;
        let tasks = ground.tasks.clone();
        let registration = log(hub.service(Service::Registration).await?, &tasks).await;
        let placement = log(hub.service(Service::Placement).await?, &tasks).await;
        let mut settings = Settings::new(hub.identity()?.delivery_key()?);
        tune(&mut settings);
        let service = fleetlog_work::start(ground, settings).await?;
        service.live().await;
        let ids = Ids::Random;
        let user =
            Client::new(hub.user("alice").await?, Actor::new("alice"), move || ids.command());
        Ok(Self { hub, service, tasks, user, registration, placement })
    }

    /// Ends the service at whatever it does, its connection too, and starts it again.
    async fn restart(self) -> anyhow::Result<Self> {
        let Self { hub, service, tasks, .. } = self;
        tasks.abort();
        // Who appends just now may see its log end first.
        drop(tasks.join().await);
        drop(service);
        Self::on(hub, |_| ()).await
    }

    async fn append(log: &EventLog, foreign: Foreign, last: u64, version: u64) -> Position {
        let header = common::header(&foreign, version);
        let events = foreign.2.into_iter().map(|(_, bytes)| bytes).collect();
        let expected = Position(last);
        match log.append(NewCommit { aggregate: foreign.0, expected, header, events }).await {
            Ok(Append::Appended(position)) => position,
            other => panic!("{other:?}"),
        }
    }

    async fn joins(&self, cluster: &str) {
        let position = Self::append(&self.registration, cluster_joins(cluster), 0, 1).await;
        self.service.reached(position).await;
    }

    async fn command(&self, to: &AggregateId, payload: Bytes) -> Result<u64, Refusal> {
        match self.user.command(to, payload).await.unwrap() {
            Outcome { result: Some(outcome::Result::Accomplished(done)), .. } => Ok(done.position),
            Outcome { result: Some(outcome::Result::Refused(refusal)), .. } => Err(refusal),
            other => panic!("{other:?}"),
        }
    }

    async fn hand_over(&self, names: &[&str]) -> Bundle {
        let (body, said) = bundle(names);
        let hash = self.user.put_blob(body).await.unwrap();
        assert_eq!(hash.to_string(), said.hash);
        said
    }

    async fn get(&self, kind: &str, namespace: &str, position: u64) -> Vec<Value> {
        let query = Query {
            kind: kind.into(),
            namespace: namespace.into(),
            min_position: position,
            ..Query::default()
        };
        let pages = self.user.ask(Service::Work, "get", query).await.unwrap();
        let objects = pages.iter().flat_map(|page| &page.objects);
        objects.map(|object| serde_json::from_slice(object).unwrap()).collect()
    }

    async fn agent(&self, cluster: &str) -> anyhow::Result<AgentLink> {
        let name = ClusterName::parse(cluster).context("a cluster's name")?;
        Ok(AgentLink::new(self.hub.agent(cluster).await?, name))
    }

    fn verified(&self, delivery: &SignedDelivery) -> Delivery {
        let key = self.hub.identity().unwrap().delivery_key().unwrap().public_key();
        delivery.verified(&key).unwrap()
    }

    async fn synced(&self, agent: &AgentLink, held: BTreeMap<String, i64>) -> Vec<Delivery> {
        let (deliveries, end) = agent.sync(&SyncRequest { held }).await.unwrap();
        assert_eq!(end.works as usize, deliveries.len());
        deliveries.iter().map(|delivery| self.verified(delivery)).collect()
    }
}

async fn say(agent: &AgentLink, work: &str, report: &ReportWork) {
    agent.report(&Report::Work(work.into()), report.encode_to_vec().into()).await.unwrap();
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a str> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    conditions.iter().find(|c| c["type"] == kind)?["status"].as_str()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_work_goes_to_its_agent_and_its_report_comes_back() -> anyhow::Result<()> {
    let stage = Stage::new().await?;
    stage.joins("c1").await;
    let agent = stage.agent("c1").await?;
    let mut live = agent.live().await?;
    let key = work_key("c1", "shop");
    let said = stage.hand_over(&["a", "b"]).await;
    stage.command(&key.aggregate(), apply_work(&key, &said)).await.unwrap();

    let heard = stage.verified(&live.next().await.context("a live delivery")?);
    let synced = stage.synced(&agent, BTreeMap::new()).await;
    assert_eq!(synced, std::slice::from_ref(&heard));
    assert_eq!(heard.bundle.as_ref(), Some(&said));
    let held = BTreeMap::from([("shop".to_owned(), heard.generation)]);
    assert!(stage.synced(&agent, held).await[0].unchanged);
    let hash = ContentHash::parse(&said.hash).context("a hash")?;
    assert_eq!(agent.blob(&hash).await?, Some(bundle(&["a", "b"]).0));

    say(&agent, "shop", &report(heard.object_generation)).await;
    let work = eventually("the work is available", async || {
        let works = stage.get("manifestwork", "c1", 0).await;
        works.into_iter().find(|work| condition(work, "Available") == Some("True"))
    });
    let work = work.await?;
    assert_eq!(work["apiVersion"], "work.open-cluster-management.io/v1");
    let manifests = work.pointer("/spec/workload/manifests").and_then(Value::as_array);
    assert_eq!(manifests.map(Vec::len), Some(2));
    let finalizer = "cluster.open-cluster-management.io/manifest-work-cleanup";
    assert_eq!(work["metadata"]["finalizers"][0], finalizer);

    let delete = on_work::Command::Delete(DeleteWork {});
    stage.command(&key.aggregate(), common::work_command(delete)).await.unwrap();
    let removal = stage.verified(&live.next().await.context("a removal")?);
    assert!(removal.deleted && removal.generation > heard.generation);
    let there = stage.get("manifestwork", "c1", 0).await;
    assert!(there[0]["metadata"]["deletionTimestamp"].is_string());
    say(&agent, "shop", &ReportWork { gone: true, ..ReportWork::default() }).await;
    eventually("the work is gone", async || {
        stage.get("manifestwork", "c1", 0).await.is_empty().then_some(())
    })
    .await?;
    assert_eq!(stage.synced(&agent, BTreeMap::new()).await, []);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_fans_out_to_its_clusters_and_is_summed_up() -> anyhow::Result<()> {
    let stage = Stage::new().await?;
    stage.joins("c1").await;
    stage.joins("c2").await;
    let said = stage.hand_over(&["a"]).await;
    let set = set_key().aggregate();
    stage.command(&set, apply_set(&said, "Background")).await.unwrap();
    let decided = Stage::append(&stage.placement, decision(1, &["c1", "c2"], &[]), 0, 1).await;
    let east = |cluster| set_key().work(&Target::new("east", cluster));
    for cluster in ["c1", "c2"] {
        let agent = stage.agent(cluster).await?;
        let work = east(cluster);
        let wanted = eventually("the work is delivered", async || {
            stage.synced(&agent, BTreeMap::new()).await.into_iter().next()
        });
        let wanted = wanted.await?;
        assert_eq!(wanted.work, work.name);
        say(&agent, &wanted.work, &report(wanted.object_generation)).await;
    }
    let applied = async |stage: &Stage| {
        eventually("the set is applied", async || {
            let sets = stage.get("replicaset", "apps", 0).await;
            let applied = |set: &Value| condition(set, "ManifestworkApplied") == Some("True");
            sets.into_iter().find(applied)
        })
        .await
    };
    let served = applied(&stage).await?;
    assert_eq!(served["status"]["summary"]["available"], 2);
    assert_eq!(condition(&served, "PlacementVerified"), Some("True"));
    assert_eq!(condition(&served, "PlacementRolledOut"), Some("True"));
    let template = served.pointer("/spec/manifestWorkTemplate/workload/manifests/0/kind");
    assert_eq!(template.and_then(Value::as_str), Some("ConfigMap"));
    let works = stage.get("manifestwork", "", 0).await;
    let labels = |work: &Value| {
        let label = |name: &str| {
            let name = format!("work.open-cluster-management.io/{name}");
            work["metadata"]["labels"][name].as_str().map(str::to_owned)
        };
        (label("manifestworkreplicaset"), label("placementname"))
    };
    let ours = (Some("apps.shop".to_owned()), Some("east".to_owned()));
    assert_eq!(works.iter().map(labels).collect::<Vec<_>>(), [ours.clone(), ours]);

    let hash = stage.service.read(|hosted| (hosted.position(), hosted.hash()));
    let stage = stage.restart().await?;
    let again = stage.service.read(|hosted| (hosted.position(), hosted.hash()));
    assert_eq!(again, hash, "a rebuilt state is the live one");
    let fewer = decision(2, &[], &["c2"]);
    Stage::append(&stage.placement, fewer, decided.0, 2).await;
    let c2 = stage.agent("c2").await?;
    eventually("the work is withdrawn", async || {
        let wanted = stage.synced(&c2, BTreeMap::new()).await;
        wanted.iter().all(|delivery| delivery.deleted).then_some(())
    })
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollout_goes_on_by_itself_when_a_success_has_lasted() -> anyhow::Result<()> {
    let stage = Stage::new().await?;
    stage.joins("c1").await;
    stage.joins("c2").await;
    let said = stage.hand_over(&["a"]).await;
    let set = set_key().aggregate();
    let progressive = RolloutProgressive {
        max_concurrency: Some(IntOrString { value: Some(int_or_string::Value::Int(1)) }),
        min_success_time: Some("1s".to_owned()),
        ..RolloutProgressive::default()
    };
    let by = RolloutStrategy {
        r#type: Some("Progressive".to_owned()),
        progressive: Some(progressive),
        ..RolloutStrategy::default()
    };
    stage.command(&set, apply_set_by(&said, "Background", Some(by))).await.unwrap();
    Stage::append(&stage.placement, decision(1, &["c1", "c2"], &[]), 0, 1).await;
    let wanted = async |agent: &AgentLink| {
        eventually("the work is delivered", async || {
            stage.synced(agent, BTreeMap::new()).await.into_iter().next()
        })
        .await
    };
    let (c1, c2) = (stage.agent("c1").await?, stage.agent("c2").await?);
    let first = wanted(&c1).await?;
    assert_eq!(stage.synced(&c2, BTreeMap::new()).await, []);
    say(&c1, &first.work, &done(first.object_generation)).await;
    let second = wanted(&c2).await?;
    say(&c2, &second.work, &done(second.object_generation)).await;
    eventually("the set is rolled out", async || {
        let sets = stage.get("replicaset", "apps", 0).await;
        (condition(sets.first()?, "PlacementRolledOut") == Some("True")).then_some(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_in_hand_at_a_crash_is_done_after_the_next_start() -> anyhow::Result<()> {
    let forever = |settings: &mut Settings| settings.summarize_after = Duration::from_secs(3_600);
    let stage = Stage::on(TestHub::start().await?, forever).await?;
    stage.joins("c1").await;
    let said = stage.hand_over(&["a"]).await;
    stage.command(&set_key().aggregate(), apply_set(&said, "Background")).await.unwrap();
    Stage::append(&stage.placement, decision(1, &["c1"], &[]), 0, 1).await;
    let agent = stage.agent("c1").await?;
    let wanted = eventually("the work is delivered", async || {
        stage.synced(&agent, BTreeMap::new()).await.into_iter().next()
    });
    let wanted = wanted.await?;
    let broker = &stage.service.ground.bus.broker;
    let mut reports = [report, done].into_iter().cycle();
    // One that comes while its set is planned is done with the plan: another report, another one.
    eventually("a summary is in hand", async || {
        let next = reports.next()?(wanted.object_generation);
        say(&agent, &wanted.work, &next).await;
        let (done, given) = broker.in_hand("DO", "do-work").await.ok()?;
        (done > 0 && done < given).then_some(())
    })
    .await?;
    let stage = stage.restart().await?;
    eventually("the set is summed up", async || {
        let sets = stage.get("replicaset", "apps", 0).await;
        condition(sets.first()?, "ManifestworkApplied").map(|_| ())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_works_fan_out_from_one_plan() -> anyhow::Result<()> {
    let stage = Stage::new().await?;
    let names: Vec<String> = (0..1_000).map(|i| format!("c{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let joins = names.iter().map(|name| stage.joins(name));
    futures::future::join_all(joins).await;
    let said = stage.hand_over(&["a"]).await;
    stage.command(&set_key().aggregate(), apply_set(&said, "Background")).await.unwrap();
    Stage::append(&stage.placement, decision(1, &names, &[]), 0, 1).await;
    let works = fleetlog_bus::Works::new(stage.service.ground.bus.broker.clone());
    let within = Duration::from_secs(120);
    eventually_within(within, "every cluster has its work", async || {
        (works.all().await.ok()?.len() == names.len()).then_some(())
    })
    .await?;
    let agents = names.iter().take(3);
    for cluster in agents {
        let agent = stage.agent(cluster).await?;
        let [wanted] = &stage.synced(&agent, BTreeMap::new()).await[..] else { panic!() };
        assert_eq!(wanted.work, set_key().work(&Target::new("east", *cluster)).name);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_command_is_said_and_nothing_is_done() -> anyhow::Result<()> {
    let stage = Stage::new().await?;
    stage.joins("c1").await;
    let key = work_key("c1", "shop");
    let refused = async |key: &WorkKey, bundle: &Bundle| {
        stage.command(&key.aggregate(), apply_work(key, bundle)).await.unwrap_err().code
    };
    let good = stage.hand_over(&["a"]).await;
    let never = bundle(&["never", "handed", "over"]).1;
    assert_eq!(refused(&key, &never).await, "WRK0012");
    assert_eq!(refused(&key, &Bundle { count: 7, ..good.clone() }).await, "WRK0013");
    assert_eq!(refused(&key, &Bundle { size: 7, ..good.clone() }).await, "WRK0013");
    assert_eq!(refused(&key, &Bundle { count: 0, ..good.clone() }).await, "WRK0002");
    let twice = stage.hand_over(&["a", "a"]).await;
    assert_eq!(refused(&key, &twice).await, "WRK0014");
    assert_eq!(refused(&work_key("c9", "shop"), &good).await, "WRK0001");
    let id = CommandId::new("large");
    let alice = stage.hub.user("alice").await?;
    let sent = alice.publish(Publish {
        subject: key.aggregate().command(&Actor::new("alice")).as_str().to_owned(),
        headers: [(header::COMMAND.to_owned(), id.to_string())].into(),
        payload: Bytes::from(vec![0_u8; MAX_COMMAND + 1]),
        ..Publish::default()
    });
    sent.await?;
    let outcome = eventually("the large command has an outcome", async || {
        stage.user.outcome(Service::Work, &id).await.ok()?
    });
    let Some(outcome::Result::Refused(large)) = outcome.await?.result else { panic!("taken") };
    assert_eq!(large.code, "WRK0022");
    assert_eq!(stage.service.read(|hosted| hosted.machine().fleet().works().len()), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_body_is_handed_over_in_chunks_and_a_bad_one_is_refused() -> anyhow::Result<()> {
    let stage = Stage::new().await?;
    let large = Bytes::from(vec![7_u8; 1_200_000]);
    let hash = stage.user.put_blob(large.clone()).await?;
    assert_eq!(stage.service.ground.bus.blobs.get(&hash).await?, Some(large));
    let empty = stage.user.put_blob(Bytes::new()).await;
    let Err(ClientError::Refused(refusal)) = empty else { panic!("{empty:?}") };
    assert_eq!(refusal.code, "WRK0019");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_agent_gets_the_manifests_of_another_cluster() -> anyhow::Result<()> {
    let stage = Stage::new().await?;
    stage.joins("c1").await;
    let key = work_key("c1", "shop");
    let said = stage.hand_over(&["a"]).await;
    stage.command(&key.aggregate(), apply_work(&key, &said)).await.unwrap();
    let hash = ContentHash::parse(&said.hash).context("a hash")?;
    assert!(stage.agent("c1").await?.blob(&hash).await?.is_some());
    assert_eq!(stage.agent("c2").await?.blob(&hash).await?, None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_lost_from_work_is_published_again_at_the_start() -> anyhow::Result<()> {
    let stage = Stage::new().await?;
    stage.joins("c1").await;
    let key = work_key("c1", "shop");
    let said = stage.hand_over(&["a"]).await;
    stage.command(&key.aggregate(), apply_work(&key, &said)).await.unwrap();
    let works = fleetlog_bus::Works::new(stage.service.ground.bus.broker.clone());
    let held = async || works.all().await.ok()?.into_iter().find(|d| d.work == "shop");
    let before = eventually("the work is published", held).await?;
    let forged = fleetlog_bus::Signed {
        payload: Bytes::from_static(b"forged"),
        signature: "none".to_owned(),
        generation: before.generation + 1,
    };
    works.publish("c1", "shop", forged.clone()).await?;
    works.publish("c1", "stray", forged).await?;
    let stage = stage.restart().await?;
    let works = fleetlog_bus::Works::new(stage.service.ground.bus.broker.clone());
    eventually("WORK is what the log says", async || {
        let all = works.all().await.ok()?;
        let shop = all.iter().find(|d| d.work == "shop")?;
        let stray = all.iter().find(|d| d.work == "stray")?;
        (shop.message.payload == before.message.payload && stray.deleted).then_some(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_bytes_end_in_dlq_and_stop_nothing() -> anyhow::Result<()> {
    let stage = Stage::new().await?;
    stage.joins("c1").await;
    let garbage = || Bytes::from_static(b"\xff\xff\xff");
    let agent = stage.agent("c1").await?;
    agent.report(&Report::Work("shop".into()), garbage()).await?;
    let raw = stage.hub.agent("c1").await?;
    let cluster = ClusterName::parse("c1").context("a name")?;
    for verb in ["sync", "blob"] {
        raw.send(fleetlog_bus::Message {
            subject: subject::ask(&cluster, verb).as_str().to_owned(),
            headers: BTreeMap::new(),
            payload: garbage(),
            reply: Some("_INBOX_c1.x".to_owned()),
        })
        .await?;
    }
    let key = work_key("c1", "shop");
    let refused = stage.command(&key.aggregate(), garbage()).await.unwrap_err();
    assert_eq!(refused.code, "CHS0001");
    let empty = WorkCommand { command: None }.encode_to_vec().into();
    assert!(stage.command(&key.aggregate(), empty).await.is_err());
    let operator = stage.hub.operator().await?;
    eventually("five letters lie in DLQ", async || {
        let mut letters = operator.read("DLQ", &subject::Subject::raw("fl.dlq.>"), 0).await.ok()?;
        (letters.pending >= 5).then(|| letters.messages.next())?.await?.ok()
    })
    .await?;
    let said = stage.hand_over(&["a"]).await;
    stage.command(&key.aggregate(), apply_work(&key, &said)).await.unwrap();
    assert_eq!(stage.synced(&agent, BTreeMap::new()).await.len(), 1);
    Ok(())
}
