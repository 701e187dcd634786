//! Malformed messages, out of a seeded generator: for every place where somebody may write what a
//! service takes, each way in which a message there can be wrong.

use crate::table::{Place, Taken};
use bytes::Bytes;
use fleetlog_bus::{Headers, MAX_COMMAND};
use fleetlog_kernel::Service;
use fleetlog_messages::addon::{self, add_on_command, definition_command, template_command};
use fleetlog_messages::common::{Answer, Query};
use fleetlog_messages::core::{self, object_command};
use fleetlog_messages::envelope::header;
use fleetlog_messages::placement::{self, placement_command};
use fleetlog_messages::registration::{
    self, binding_command, cluster_command, cluster_set_command,
};
use fleetlog_messages::work::{self, ReportWork, replica_set_command, work_command};
use prost::Message as _;

/// One message.
#[derive(Clone, Debug)]
pub struct Mail {
    /// What is wrong with it.
    pub wrong: &'static str,
    /// Its subject.
    pub subject: String,
    /// Its headers.
    pub headers: Headers,
    /// Its payload.
    pub payload: Bytes,
}

/// Writes malformed messages; the same seed writes the same ones.
pub struct Writer {
    state: u64,
    written: u64,
}

impl Writer {
    /// A writer.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed, written: 0 }
    }

    /// The next number of the sequence (splitmix64).
    const fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Random bytes that are no message of any kind.
    fn noise(&mut self) -> Bytes {
        loop {
            let length = 8 + self.next() % 120;
            let noise: Vec<u8> = (0..length).map(|_| self.next().to_le_bytes()[0]).collect();
            if <()>::decode(noise.as_slice()).is_err() {
                return noise.into();
            }
        }
    }

    /// The headers of a good message of `stream`.
    fn headers(&mut self, stream: &str) -> Headers {
        self.written += 1;
        let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut headers = Headers::from([own(header::COMMAND, &format!("m-{}", self.written))]);
        if stream == "DO" {
            headers.extend([
                own(header::CAUSE, "0"),
                own(header::INDEX, "0"),
                own(header::REACTED, "0"),
                own(header::CORRELATION, "m"),
            ]);
        }
        headers
    }

    /// What can be wrong with what is sent to one place by `label`.
    pub fn write(&mut self, label: &str, place: &Place) -> Vec<Mail> {
        match place.taken {
            Taken::Queued("STATUS") => self.reports(place),
            Taken::Queued(stream) => self.commands(label, place, stream),
            Taken::Heard => self.requests(place),
        }
    }

    fn commands(&mut self, label: &str, place: &Place, stream: &str) -> Vec<Mail> {
        let before = place.pattern.strip_suffix('>').unwrap().replace('*', "somebody");
        let mut mails = vec![];
        for (kind, good) in good_commands(place.service) {
            let subject = format!("{before}{kind}.x-{label}");
            let payloads = [
                ("empty", Bytes::new()),
                ("noise", self.noise()),
                ("noise again", self.noise()),
                ("of another kind", another_kind(&subject)),
                ("far too large", Bytes::from(vec![0; 2 * MAX_COMMAND + 1])),
            ];
            for (wrong, payload) in payloads {
                let headers = self.headers(stream);
                mails.push(Mail { wrong, subject: subject.clone(), headers, payload });
            }
            for (wrong, change) in wrong_headers(stream) {
                let mut headers = self.headers(stream);
                change(&mut headers);
                let (subject, payload) = (subject.clone(), good.clone());
                mails.push(Mail { wrong, subject, headers, payload });
            }
        }
        for tail in ["cluster", "a.b.c.d", "=ZZ.x", "cluster.=4", "cluster.=FF"] {
            let (headers, payload) =
                (self.headers(stream), good_commands(place.service)[0].1.clone());
            let subject = format!("{before}{tail}");
            mails.push(Mail { wrong: "of a bad subject", subject, headers, payload });
        }
        mails
    }

    fn reports(&mut self, place: &Place) -> Vec<Mail> {
        let subject = place.pattern.replace('>', "shop");
        let payloads = [
            ("empty", Bytes::new()),
            ("noise", self.noise()),
            ("noise again", self.noise()),
            ("of another kind", another_kind(&subject)),
        ];
        let headers = Headers::new();
        let mail = |(wrong, payload)| Mail {
            wrong,
            subject: subject.clone(),
            headers: headers.clone(),
            payload,
        };
        let mut mails: Vec<Mail> = payloads.into_iter().map(mail).collect();
        if place.pattern.ends_with('>') {
            let good = ReportWork { generation: 1, ..ReportWork::default() };
            for tail in ["a.b", "=ZZ"] {
                let subject = place.pattern.replace('>', tail);
                let (headers, payload) = (Headers::new(), good.encode_to_vec().into());
                mails.push(Mail { wrong: "of a bad subject", subject, headers, payload });
            }
        }
        mails
    }

    fn requests(&mut self, place: &Place) -> Vec<Mail> {
        let verbs: &[&str] = match place.pattern.split('.').nth(1) {
            Some("qry") => {
                &["get", "outcome", "try", "hash", "rows", "explain", "simulate", "nonsense"]
            }
            Some("put") => &["blob", "seal", "nonsense"],
            _ => &["nobody"],
        };
        let mut mails = vec![];
        for verb in verbs {
            let subject = place.pattern.replace('*', verb);
            let payloads = [
                ("empty", Bytes::new()),
                ("noise", self.noise()),
                ("noise again", self.noise()),
                ("of another kind", another_kind(&subject)),
            ];
            for (wrong, payload) in payloads {
                let headers = Headers::new();
                mails.push(Mail { wrong, subject: subject.clone(), headers, payload });
            }
        }
        mails
    }
}

/// A message that is well-formed, and no message of the kind that belongs on `subject`.
fn another_kind(subject: &str) -> Bytes {
    let counts_first = subject.ends_with(".beat") || subject.starts_with("fl.st.c1.work.");
    Bytes::from(if counts_first {
        Query { kind: "cluster".to_owned(), ..Query::default() }.encode_to_vec()
    } else {
        Answer { position: 7, ..Answer::default() }.encode_to_vec()
    })
}

type Change = fn(&mut Headers);

/// What can be wrong with the headers in CMD and in DO.
fn wrong_headers(stream: &str) -> Vec<(&'static str, Change)> {
    fn set(headers: &mut Headers, name: &str, value: &str) {
        headers.insert(name.to_owned(), value.to_owned());
    }
    let mut wrong: Vec<(&'static str, Change)> = vec![
        ("without an id", |h| drop(h.remove(header::COMMAND))),
        ("of a long id", |h| set(h, header::COMMAND, &"x".repeat(129))),
        ("of an id of two words", |h| set(h, header::COMMAND, "two words")),
    ];
    if stream == "DO" {
        wrong.extend::<[(&'static str, Change); 5]>([
            ("without a cause", |h| drop(h.remove(header::CAUSE))),
            ("of a cause that is no number", |h| set(h, header::CAUSE, "soon")),
            ("of a cause to come", |h| set(h, header::CAUSE, "999999999")),
            ("without an index", |h| drop(h.remove(header::INDEX))),
            ("of an index no cause has", |h| set(h, header::INDEX, "1048576")),
        ]);
    }
    wrong
}

/// A well-formed command on each kind that a service decides on, with the kind's tokens.
fn good_commands(service: Service) -> Vec<(&'static str, Bytes)> {
    let commands: Vec<(&str, Vec<u8>)> = match service {
        Service::Registration => {
            let cluster = cluster_command::Command::Delete(registration::DeleteCluster {});
            let set = cluster_set_command::Command::Delete(registration::DeleteClusterSet {});
            let binding = binding_command::Command::Delete(registration::DeleteBinding {});
            let cluster = registration::ClusterCommand { command: Some(cluster) };
            let set = registration::ClusterSetCommand { command: Some(set) };
            let binding = registration::BindingCommand { command: Some(binding) };
            vec![
                ("cluster", cluster.encode_to_vec()),
                ("clusterset", set.encode_to_vec()),
                ("binding.shop", binding.encode_to_vec()),
            ]
        }
        Service::Placement => {
            let command = placement_command::Command::Delete(placement::DeletePlacement {});
            let placement = placement::PlacementCommand { command: Some(command) };
            vec![("placement.shop", placement.encode_to_vec())]
        }
        Service::Work => {
            let work = work_command::Command::Delete(work::DeleteWork {});
            let set = replica_set_command::Command::Delete(work::DeleteReplicaSet {});
            let work = work::WorkCommand { command: Some(work) };
            let set = work::ReplicaSetCommand { command: Some(set) };
            vec![
                ("manifestwork.c1", work.encode_to_vec()),
                ("replicaset.shop", set.encode_to_vec()),
            ]
        }
        Service::Addon => {
            let definition = definition_command::Command::Delete(addon::DeleteDefinition {});
            let add_on = add_on_command::Command::Delete(addon::DeleteAddOn {});
            let template = template_command::Command::Delete(addon::DeleteTemplate {});
            let definition = addon::DefinitionCommand { command: Some(definition) };
            let add_on = addon::AddOnCommand { command: Some(add_on) };
            let template = addon::TemplateCommand { command: Some(template) };
            vec![
                ("definition", definition.encode_to_vec()),
                ("clusteraddon.c1", add_on.encode_to_vec()),
                ("template", template.encode_to_vec()),
            ]
        }
        Service::Core => {
            let command = object_command::Command::Delete(core::DeleteObject::default());
            let object = core::ObjectCommand { command: Some(command) }.encode_to_vec();
            vec![("namespace", object.clone()), ("configmap.shop", object)]
        }
    };
    commands.into_iter().map(|(kind, command)| (kind, command.into())).collect()
}
