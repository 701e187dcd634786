//! Who may write what a service takes: every role's permissions to publish, met with every queue
//! and every subscription of a service. Out of topology's own data.

use crate::stage::Stage;
use fleetlog_bus::SharedBroker;
use fleetlog_kernel::Service;
use fleetlog_messages::subject;
use fleetlog_topology::roles::tagged;
use fleetlog_topology::{queues, roles};
use nkeys::KeyPair;

/// Somebody who publishes.
pub struct Sender {
    /// As the table calls it.
    pub label: &'static str,
    /// Its connection.
    pub broker: SharedBroker,
    /// What it may publish to.
    pub publish: Vec<String>,
}

/// How a service takes messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// From a work queue of this stream.
    Queued(&'static str),
    /// As they come.
    Heard,
}

/// A place where one may write what another takes.
pub struct Place {
    /// Who may take it.
    pub service: Service,
    /// How.
    pub taken: Taken,
    /// What both permissions cover: tokens, `*` and `>`.
    pub pattern: String,
}

/// One of every role: alice, the operator, the gateway, an agent, the bearer of a join token, a
/// follower, those who look after followers, each service.
pub async fn senders(stage: &Stage) -> Vec<Sender> {
    let hub = &stage.hub;
    let (boot, boot_key) = hub.boot().await.unwrap();
    let mut brokers = vec![
        ("user", "alice", hub.user("alice").await.unwrap()),
        ("operator", "operator", hub.operator().await.unwrap()),
        ("agent", "c1", hub.agent("c1").await.unwrap()),
        ("boot", "boot", boot),
    ];
    let (identity, all) = (hub.identity().unwrap(), [subject::events().as_str().to_owned()]);
    for (role, credentials) in [
        ("gateway", identity.gateway().unwrap()),
        ("follower", identity.new_follower("follower", &all).unwrap()),
        ("auditor", identity.auditor().unwrap()),
        ("keeper", identity.keeper().unwrap()),
    ] {
        brokers.push((role, role, hub.connect(credentials).await.unwrap()));
    }
    for service in Service::ALL {
        brokers.push((service.token(), service.token(), hub.service(service).await.unwrap()));
    }
    let roles = roles();
    assert_eq!(brokers.len(), roles.len(), "a role sends nothing");
    let other_key = KeyPair::new_user().public_key();
    let sender = |(role, label, broker): (&str, &'static str, SharedBroker)| {
        let role = roles.iter().find(|known| known.name == role).unwrap();
        let key = if label == "boot" { &boot_key } else { &other_key };
        Sender { label, broker, publish: tagged(&role.publish_as(label, key), &all) }
    };
    brokers.into_iter().map(sender).collect()
}

/// Where one sender may write what a service takes.
pub fn places(sender: &Sender) -> Vec<Place> {
    let mut takers = vec![];
    for service in Service::ALL {
        let own = format!("-{service}");
        let queues = queues().into_iter().filter(|queue| queue.durable.ends_with(&own));
        takers.extend(queues.map(|q| (service, Taken::Queued(q.stream), q.filter)));
        let role = roles().into_iter().find(|role| role.name == service.token()).unwrap();
        let heard = role.subscribe.into_iter().filter(|filter| !filter.starts_with("_INBOX"));
        takers.extend(heard.map(|filter| (service, Taken::Heard, filter)));
    }
    let meets = |pattern: &String| {
        let meet = |(service, taken, filter): &(Service, Taken, String)| {
            let pattern = meet(pattern, filter)?;
            Some(Place { service: *service, taken: *taken, pattern })
        };
        takers.iter().filter_map(meet).collect::<Vec<_>>()
    };
    sender.publish.iter().flat_map(meets).collect()
}

/// What two patterns both cover.
fn meet(one: &str, other: &str) -> Option<String> {
    let (mut left, mut right) = (one.split('.').peekable(), other.split('.').peekable());
    let mut met = vec![];
    loop {
        match (left.peek().copied(), right.peek().copied()) {
            (None, None) => return Some(met.join(".")),
            (None, _) | (_, None) => return None,
            (Some(">"), Some(_)) => met.extend(right.by_ref()),
            (Some(_), Some(">")) => met.extend(left.by_ref()),
            (Some("*"), Some(token)) | (Some(token), Some("*")) => met.push(token),
            (Some(a), Some(b)) if a == b => met.push(a),
            _ => return None,
        }
        if left.next().is_none() || right.next().is_none() {
            return Some(met.join("."));
        }
    }
}

#[test]
fn two_patterns_meet_in_what_both_cover() {
    let meets = [
        ("fl.cmd.*.alice.>", "fl.cmd.work.>", Some("fl.cmd.work.alice.>")),
        ("fl.qry.*.alice.>", "fl.qry.work.*.*", Some("fl.qry.work.alice.*")),
        ("fl.st.c1.>", "fl.st.*.cluster", Some("fl.st.c1.cluster")),
        ("fl.a.c1.*", "fl.a.*.beat", Some("fl.a.c1.beat")),
        ("fl.a.c1.*", "fl.a.c1", None),
        ("fl.do.*.work.>", "fl.do.work.>", Some("fl.do.work.work.>")),
        ("fl.ev.work.>", "fl.do.work.>", None),
    ];
    for (one, other, met) in meets {
        assert_eq!(meet(one, other).as_deref(), met, "{one} {other}");
        assert_eq!(meet(other, one).as_deref(), met, "{other} {one}");
    }
}
