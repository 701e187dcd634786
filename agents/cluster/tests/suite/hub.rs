//! A hub by script: it answers as the services do, on the broker in memory, and remembers what it
//! was asked. It decides nothing.

use fleetlog_bus::{
    Blobs, Fault, Memory, Message, SYNC_END, SharedBroker, Signed, Works, signature,
};
use fleetlog_chassis::{Clock, Tasks};
use fleetlog_kernel::{ClusterName, ContentHash};
use fleetlog_messages::common::{
    BeatAnswer, BlobRequest, Credential, JoinAnswer, JoinPending, JoinRequest, SyncEnd,
    SyncRequest, join_answer::Answer,
};
use fleetlog_messages::envelope::header;
use fleetlog_messages::registration::ClusterFacts;
use fleetlog_messages::subject::{self, Report, Subject};
use fleetlog_messages::work::{Bundle, Delivery, ManifestWorkSpec, ReportWork};
use futures::StreamExt as _;
use nkeys::KeyPair;
use prost::Message as _;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

pub const CLUSTER: &str = "c1";
pub const TOKEN: &str = "TOKEN";
/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the hub knows and was asked.
pub struct Known {
    pub accepted: bool,
    pub lease: u32,
    pub life: i64,
    pub joins: Vec<JoinRequest>,
    pub beats: u64,
    pub renewals: u64,
    pub syncs: Vec<SyncRequest>,
    position: u64,
    deliveries: BTreeMap<String, Delivery>,
}

#[derive(Clone)]
pub struct Hub {
    pub broker: SharedBroker,
    pub clock: Clock,
    pub tasks: Tasks,
    known: Arc<Mutex<Known>>,
    key: Arc<KeyPair>,
    id: String,
}

impl Hub {
    pub async fn new(clock: Clock, id: &str) -> Self {
        let broker = Memory::new(fleetlog_topology::streams(), fleetlog_topology::queues());
        let known = Known {
            accepted: true,
            lease: 5,
            life: 3_600,
            joins: vec![],
            beats: 0,
            renewals: 0,
            syncs: vec![],
            position: 10,
            deliveries: BTreeMap::new(),
        };
        let hub = Self {
            broker,
            clock,
            tasks: Tasks::default(),
            known: Arc::new(Mutex::new(known)),
            key: Arc::new(KeyPair::new_account()),
            id: id.to_owned(),
        };
        hub.serve(subject::joins(), Self::join).await;
        for verb in ["beat", "renew", "sync", "blob"] {
            hub.serve(subject::asks(verb), Self::asked).await;
        }
        hub
    }

    pub fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap()
    }

    /// Wants a work: its bundle is kept, its delivery published.
    pub async fn want(&self, work: &str, manifests: &[Value]) -> Delivery {
        self.want_with(work, manifests, ManifestWorkSpec::default()).await
    }

    pub async fn want_with(
        &self,
        work: &str,
        manifests: &[Value],
        spec: ManifestWorkSpec,
    ) -> Delivery {
        let delivery = self.note(work, manifests, spec).await;
        self.publish(&delivery).await;
        delivery
    }

    /// Wants a work, but tells nobody: only a sync will.
    pub async fn note(&self, work: &str, manifests: &[Value], spec: ManifestWorkSpec) -> Delivery {
        let body = serde_json::to_vec(manifests).unwrap();
        let (size, count) = (body.len() as u64, u32::try_from(manifests.len()).unwrap());
        let hash = Blobs::new(self.broker.clone()).put(body.into()).await.unwrap().to_string();
        let mut known = self.known();
        known.position += 1;
        let before = known.deliveries.get(work).map_or(0, |d| d.object_generation);
        let delivery = Delivery {
            cluster: CLUSTER.into(),
            work: work.into(),
            generation: i64::try_from(known.position).unwrap(),
            object_generation: before + 1,
            spec: Some(spec),
            bundle: Some(Bundle { hash, size, count }),
            ..Delivery::default()
        };
        known.deliveries.insert(work.into(), delivery.clone());
        delivery
    }

    /// Wants a work gone.
    pub async fn remove(&self, work: &str) {
        let delivery = {
            let mut known = self.known();
            known.position += 1;
            let generation = i64::try_from(known.position).unwrap();
            known.deliveries.remove(work);
            let (cluster, work) = (CLUSTER.into(), work.into());
            Delivery { cluster, work, generation, deleted: true, ..Delivery::default() }
        };
        self.publish(&delivery).await;
    }

    /// Forgets a work without a word, as if its removal had been missed.
    pub fn drop_silently(&self, work: &str) {
        let mut known = self.known();
        known.position += 1;
        known.deliveries.remove(work);
    }

    pub async fn publish(&self, delivery: &Delivery) {
        self.publish_signed_by(&self.key, delivery).await;
    }

    pub async fn publish_signed_by(&self, key: &KeyPair, delivery: &Delivery) {
        let payload = delivery.encode_to_vec();
        let Delivery { cluster, work, generation, .. } = delivery;
        let signature = signature::sign(key, cluster, work, *generation, &payload).unwrap();
        let signed = Signed { payload: payload.into(), signature, generation: *generation };
        Works::new(self.broker.clone()).publish(cluster, work, signed).await.unwrap();
    }

    /// Changes how often the agent shall beat, and tells it.
    pub async fn beat_every(&self, seconds: u32) {
        self.known().lease = seconds;
        let subject = subject::beat_now(&cluster()).as_str().to_owned();
        self.broker.send(Message { subject, ..Message::default() }).await.unwrap();
    }

    /// Waits for a report about a work that fits.
    pub async fn report(&self, work: &str, fits: impl Fn(&ReportWork) -> bool) -> ReportWork {
        self.status(&Report::Work(work.to_owned()), fits).await
    }

    /// Waits for a report about the cluster that fits.
    pub async fn facts(&self, fits: impl Fn(&ClusterFacts) -> bool) -> ClusterFacts {
        self.status(&Report::Cluster, fits).await
    }

    async fn status<M>(&self, about: &Report, fits: impl Fn(&M) -> bool) -> M
    where
        M: prost::Message + Default + std::fmt::Debug,
    {
        let subject = subject::report(&cluster(), about);
        let mut reading = self.broker.read("STATUS", &subject, 0).await.unwrap();
        let mut last = M::default();
        let wait = tokio::time::timeout(PATIENCE, async {
            while let Some(message) = reading.messages.next().await {
                last = M::decode(message.unwrap().payload).unwrap();
                if fits(&last) {
                    return;
                }
            }
        });
        let came = wait.await;
        assert!(came.is_ok(), "no report on \"{subject}\" fits; the last one: {last:#?}");
        last
    }

    /// Waits until the hub knows something.
    pub async fn until(&self, what: &str, fits: impl Fn(&Known) -> bool) {
        until(what, async || fits(&self.known())).await;
    }

    /// What the member's records name the hub by.
    pub fn hash(&self) -> String {
        ContentHash::of(self.id.as_bytes()).to_string()
    }

    fn credential(&self) -> Credential {
        let known = self.known();
        Credential {
            jwt: "jwt".into(),
            expires_seconds: self.clock.now().seconds() + known.life,
            hub_hash: self.hash(),
            work_key: self.key.public_key(),
            lease_duration_seconds: known.lease,
        }
    }

    fn join(&self, message: &Message) -> Vec<Message> {
        let request = JoinRequest::decode(message.payload.clone()).unwrap();
        let accepted = {
            let mut known = self.known();
            known.joins.push(request);
            known.accepted
        };
        let answer = if accepted {
            Answer::Credential(self.credential())
        } else {
            Answer::Pending(JoinPending { sentence: "cluster \"c1\" is not accepted yet".into() })
        };
        vec![answered(&JoinAnswer { answer: Some(answer) })]
    }

    fn asked(&self, message: &Message) -> Vec<Message> {
        match message.subject.rsplit('.').next() {
            Some("beat") => {
                let mut known = self.known();
                known.beats += 1;
                let lease_duration_seconds = known.lease;
                vec![answered(&BeatAnswer { lease_duration_seconds, refused: None })]
            }
            Some("renew") => {
                self.known().renewals += 1;
                let answer = Some(Answer::Credential(self.credential()));
                vec![answered(&JoinAnswer { answer })]
            }
            Some("sync") => self.sync(message),
            _ => vec![],
        }
    }

    fn sync(&self, message: &Message) -> Vec<Message> {
        let request = SyncRequest::decode(message.payload.clone()).unwrap();
        let mut known = self.known();
        let mut answers: Vec<Message> = vec![];
        for delivery in known.deliveries.values() {
            let mut delivery = delivery.clone();
            if request.held.get(&delivery.work) == Some(&delivery.generation) {
                (delivery.spec, delivery.bundle, delivery.unchanged) = (None, None, true);
            }
            let mut answer = answered(&delivery);
            let Delivery { cluster, work, generation, .. } = &delivery;
            let signed = signature::sign(&self.key, cluster, work, *generation, &answer.payload);
            answer.headers.insert(header::SIGNATURE.into(), signed.unwrap());
            answers.push(answer);
        }
        let works = u32::try_from(answers.len()).unwrap();
        let mut end = answered(&SyncEnd { position: known.position, works });
        end.headers.insert(SYNC_END.into(), "true".into());
        known.syncs.push(request);
        answers.extend([end, empty()]);
        answers
    }

    async fn blob(&self, message: &Message) -> Vec<Message> {
        let request = BlobRequest::decode(message.payload.clone()).unwrap();
        let hash = ContentHash::parse(&request.hash).unwrap();
        let body = Blobs::new(self.broker.clone()).get(&hash).await.unwrap();
        let chunks = body.iter().flat_map(|body| body.chunks(100_000));
        let answer = |chunk: &[u8]| Message { payload: chunk.to_vec().into(), ..empty() };
        chunks.map(answer).chain([empty()]).collect()
    }

    async fn serve(&self, filter: Subject, answer: fn(&Self, &Message) -> Vec<Message>) {
        let mut requests = self.broker.subscribe(&filter, None).await.unwrap();
        let hub = self.clone();
        self.tasks.spawn("hub", async move {
            while let Some(request) = requests.next().await {
                let answers = match request.subject.ends_with(".blob") {
                    true => hub.blob(&request).await,
                    false => answer(&hub, &request),
                };
                for answer in answers {
                    let subject = request.reply.clone().unwrap();
                    hub.broker.send(Message { subject, ..answer }).await?;
                }
            }
            Ok::<(), Fault>(())
        });
    }
}

/// Waits until something is so.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let mut again = tokio::time::interval(Duration::from_millis(20));
    let wait = tokio::time::timeout(PATIENCE, async {
        while !is_so().await {
            again.tick().await;
        }
    });
    let came = wait.await;
    assert!(came.is_ok(), "it did not come to this: {what}");
}

pub fn cluster() -> ClusterName {
    ClusterName::parse(CLUSTER).unwrap()
}

fn answered(answer: &impl prost::Message) -> Message {
    Message { payload: answer.encode_to_vec().into(), ..empty() }
}

fn empty() -> Message {
    Message::default()
}
