//! Who may publish and subscribe to what, as data; the server enforces it and a matrix test tries
//! it.
//!
//! Templates may hold `{{name()}}`, `{{subject()}}` and `{{tag(subject)}}` (once for each tag),
//! which the server fills from the user's JWT.

use fleetlog_bus::AUDIT;
use fleetlog_kernel::Service;

use crate::accounts::Account;
use crate::streams::{SNAP_BUCKET, queues_of};

/// Where answers to other accounts go: the server names each anew, no request can.
const OF_OTHER_ACCOUNTS: &str = "_R_.>";
/// Where the operator hears answers. Who answers it may publish there by this pattern; a permission
/// to answer whatever comes would make the server keep each message that a role reads in mind.
const OF_OPERATOR: &str = "_INBOX_operator.>";
/// Where the gateway does.
const OF_GATEWAY: &str = "_INBOX_gateway.>";

/// What every user of a role may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its account.
    pub account: Account,
    /// Its name: `agent`, `boot`, `user`, `operator`, `gateway`, `follower`, `auditor`, `keeper`,
    /// or a service's token.
    pub name: &'static str,
    /// Subject patterns it may publish to.
    pub publish: Vec<String>,
    /// Subject patterns it may subscribe to.
    pub subscribe: Vec<String>,
    /// How many subscriptions it may hold; `None` is no limit.
    pub max_subscriptions: Option<u32>,
    /// How large its messages may be, in bytes; `None` leaves it to the server.
    pub max_payload: Option<u32>,
}

impl Role {
    /// The patterns it may publish to, for one user.
    #[must_use]
    pub fn publish_as(&self, name: &str, public_key: &str) -> Vec<String> {
        self.publish.iter().map(|p| fill(p, name, public_key)).collect()
    }

    /// The patterns it may subscribe to, for one user.
    #[must_use]
    pub fn subscribe_as(&self, name: &str, public_key: &str) -> Vec<String> {
        self.subscribe.iter().map(|p| fill(p, name, public_key)).collect()
    }
}

/// Every role.
#[must_use]
pub fn roles() -> Vec<Role> {
    let mut all =
        vec![agent(), boot(), user(), operator(), gateway(), follower(), auditor(), keeper()];
    all.extend(Service::ALL.into_iter().map(service));
    all
}

fn fill(pattern: &str, name: &str, public_key: &str) -> String {
    pattern.replace("{{name()}}", name).replace("{{subject()}}", public_key)
}

/// The patterns as they are for a user whose JWT is tagged with these subjects.
#[must_use]
pub fn tagged(patterns: &[String], subjects: &[String]) -> Vec<String> {
    let each = |pattern: &String| match pattern.split_once("{{tag(subject)}}") {
        Some((before, after)) => {
            subjects.iter().map(|subject| format!("{before}{subject}{after}")).collect()
        }
        None => vec![pattern.clone()],
    };
    patterns.iter().flat_map(each).collect()
}

fn texts(items: &[&str]) -> Vec<String> {
    items.iter().map(|&item| item.to_owned()).collect()
}

fn bounded(account: Account, name: &'static str, subscriptions: u32, payload: u32) -> Role {
    Role {
        account,
        name,
        publish: Vec::new(),
        subscribe: Vec::new(),
        max_subscriptions: Some(subscriptions),
        max_payload: Some(payload),
    }
}

/// The agent of one cluster: its reports and requests, its deliveries.
fn agent() -> Role {
    Role {
        publish: texts(&["fl.st.{{name()}}.>", "fl.a.{{name()}}.*"]),
        subscribe: texts(&["fl.live.{{name()}}.>", "_INBOX_{{name()}}.>"]),
        ..bounded(Account::Agents, "agent", 10, 262_144)
    }
}

/// The bearer of a join token, who can only ask to join.
fn boot() -> Role {
    Role {
        publish: texts(&["fl.join.{{subject()}}"]),
        subscribe: texts(&["_INBOX_boot_{{subject()}}.>"]),
        ..bounded(Account::Agents, "boot", 2, 16_384)
    }
}

/// A person: commands, questions and contents under the own name; the outcomes of the own commands.
fn user() -> Role {
    Role {
        publish: texts(&[
            "fl.cmd.*.{{name()}}.>",
            "fl.qry.*.{{name()}}.>",
            "fl.put.*.{{name()}}.>",
        ]),
        subscribe: texts(&["fl.res.{{name()}}.>", "_INBOX_{{name()}}.>"]),
        ..bounded(Account::Users, "user", 20, 1_048_576)
    }
}

/// Whoever runs the hub: the whole JetStream API (topology, DLQ, reading the log), questions, and
/// the simulated clusters of a development hub. No event, no delivery and no command can be written
/// with it, but the record of its own use of dead letters, which no service takes.
fn operator() -> Role {
    Role {
        account: Account::Hub,
        name: "operator",
        publish: texts(&[
            "$JS.API.>",
            "$JS.ACK.>",
            "$JS.FC.>",
            "$O.SNAP.>",
            "fl.qry.*.operator.>",
            "fl.cmd.dlq.operator.>",
            "fl.sim.*.*",
            OF_OPERATOR,
        ]),
        subscribe: texts(&[OF_OPERATOR, "fl.sim.*.*"]),
        max_subscriptions: None,
        max_payload: None,
    }
}

/// Speaks for whoever it has authenticated: their commands, done or only tried, and contents under
/// their names, its own questions; reads the log. Leases and events of Kubernetes are its own to
/// keep; a lease by which an agent says that it is alive is handed on as a beat.
fn gateway() -> Role {
    let mut publish = texts(&[
        "fl.put.*.*.*",
        "fl.qry.*.gateway.*",
        "fl.qry.*.*.outcome",
        "fl.qry.*.*.try",
        "fl.qry.echo.*.echo",
    ]);
    publish.extend(Service::ALL.map(|service| format!("fl.cmd.{service}.*.>")));
    publish.push("$JS.API.STREAM.MSG.GET.EVENTS".to_owned());
    publish.extend(reader("EVENTS", "fl.ev.>"));
    publish.extend(texts(&["fl.kev.>", "fl.klease.>", "fl.a.*.beat"]));
    for (stream, filter) in [("KEVENTS", "fl.kev.>"), ("LEASE", "fl.klease.>")] {
        publish.push(format!("$JS.API.STREAM.MSG.GET.{stream}"));
        publish.extend(reader(stream, filter));
    }
    Role {
        account: Account::Hub,
        name: "gateway",
        publish,
        subscribe: texts(&["fl.res.>", OF_GATEWAY]),
        max_subscriptions: None,
        max_payload: None,
    }
}

/// Who follows the log: short-lived consumers of AUDIT within the subjects of its tags, whose names
/// only it knows. It cannot ask what there is: neither streams nor consumers are listed to it.
fn follower() -> Role {
    Role {
        publish: vec![
            format!("$JS.API.CONSUMER.CREATE.{AUDIT}.*.{{{{tag(subject)}}}}"),
            format!("$JS.API.CONSUMER.INFO.{AUDIT}.*"),
            format!("$JS.API.CONSUMER.MSG.NEXT.{AUDIT}.*"),
            format!("$JS.API.CONSUMER.DELETE.{AUDIT}.*"),
            format!("$JS.FC.{AUDIT}.>"),
        ],
        subscribe: texts(&["_INBOX_{{name()}}.>"]),
        ..bounded(Account::Readers, "follower", 50, 65_536)
    }
}

/// Topology's own hand in READERS: makes the mirror, changes it, and looks at it.
fn auditor() -> Role {
    let verbs = ["CREATE", "UPDATE", "DELETE", "INFO"];
    Role {
        publish: verbs.map(|verb| format!("$JS.API.STREAM.{verb}.{AUDIT}")).into(),
        subscribe: texts(&["_INBOX_auditor.>"]),
        ..bounded(Account::Readers, "auditor", 5, 65_536)
    }
}

/// Tells the server who is let in no more.
fn keeper() -> Role {
    Role {
        publish: texts(&["$SYS.REQ.CLAIMS.UPDATE"]),
        subscribe: texts(&["_INBOX_keeper.>"]),
        ..bounded(Account::Sys, "keeper", 5, 1_048_576)
    }
}

/// A service: its own events, its outputs, its queues; the whole log to read.
fn service(service: Service) -> Role {
    let mut publish = vec![
        format!("fl.ev.{service}.>"),
        format!("fl.do.*.{service}.>"),
        format!("fl.dlq.{service}.>"),
        "fl.res.>".to_owned(),
        format!("fl.lead.{service}"),
        OF_OTHER_ACCOUNTS.to_owned(),
        OF_OPERATOR.to_owned(),
        OF_GATEWAY.to_owned(),
    ];
    publish.extend(reader("EVENTS", "fl.ev.>"));
    for stream in ["EVENTS", "DO", "RESULT", "LEASE"] {
        publish.push(format!("$JS.API.STREAM.MSG.GET.{stream}"));
    }
    for queue in queues_of(service) {
        let at = format!("{}.{}", queue.stream, queue.durable);
        publish.push(format!("$JS.API.CONSUMER.CREATE.{at}.{}", queue.filter));
        publish.push(format!("$JS.API.CONSUMER.INFO.{at}"));
        publish.push(format!("$JS.API.CONSUMER.MSG.NEXT.{at}"));
        publish.push(format!("$JS.ACK.{at}.>"));
        if queue.stream == "TIMER" {
            publish.push(format!("fl.timer.set.{service}.>"));
        }
    }
    publish.extend(in_hand(service));
    publish.extend(snapshots());
    let mut subscribe = vec![
        format!("_INBOX_{service}.>"),
        format!("fl.qry.{service}.*.*"),
        format!("fl.put.{service}.*.*"),
    ];
    match service {
        Service::Registration => {
            publish.extend(texts(&["fl.lease.*", "fl.live.*.beat.now"]));
            publish.extend(reader("LEASE", "fl.lease.*"));
            subscribe.extend(texts(&["fl.a.*.beat", "fl.a.*.renew", "fl.join.*"]));
        }
        Service::Work => {
            publish.extend(texts(&["fl.work.>", "fl.blob.*"]));
            publish.extend(reader("WORK", "fl.work.>"));
            publish.extend(texts(&[
                "$JS.API.DIRECT.GET.WORK",
                "$JS.API.DIRECT.GET.WORK.fl.work.>",
                "$JS.API.DIRECT.GET.BLOBS",
                "$JS.API.DIRECT.GET.BLOBS.fl.blob.*",
                "$JS.API.STREAM.MSG.GET.WORK",
                "$JS.API.STREAM.MSG.GET.BLOBS",
            ]));
            subscribe.extend(texts(&["fl.a.*.sync", "fl.a.*.blob"]));
        }
        Service::Core => publish.extend(texts(&[
            "fl.key.*",
            "$JS.API.STREAM.MSG.GET.KEYS",
            "$JS.API.STREAM.MSG.DELETE.KEYS",
        ])),
        Service::Placement | Service::Addon => {}
    }
    Role {
        account: Account::Hub,
        name: service.token(),
        publish,
        subscribe,
        max_subscriptions: None,
        max_payload: None,
    }
}

/// Reading a stream in order through short-lived consumers whose filter lies within `filter`.
fn reader(stream: &str, filter: &str) -> [String; 4] {
    [
        format!("$JS.API.STREAM.INFO.{stream}"),
        format!("$JS.API.CONSUMER.CREATE.{stream}.*.{filter}"),
        format!("$JS.API.CONSUMER.DELETE.{stream}.*"),
        format!("$JS.FC.{stream}.>"),
    ]
}

/// Reading what an earlier life of a service had in hand of DO: what it was told, and no other.
/// Nothing of DO may be deleted, for the queues of others lie there; such a reading ends by itself.
fn in_hand(service: Service) -> [String; 3] {
    [
        "$JS.API.STREAM.INFO.DO".to_owned(),
        format!("$JS.API.CONSUMER.CREATE.DO.*.fl.do.{service}.>"),
        "$JS.FC.DO.>".to_owned(),
    ]
}

/// Putting and getting objects of the snapshot bucket.
fn snapshots() -> Vec<String> {
    let stream = format!("OBJ_{SNAP_BUCKET}");
    vec![
        format!("$O.{SNAP_BUCKET}.>"),
        format!("$JS.API.STREAM.INFO.{stream}"),
        format!("$JS.API.STREAM.PURGE.{stream}"),
        format!("$JS.API.STREAM.MSG.GET.{stream}"),
        format!("$JS.API.CONSUMER.CREATE.{stream}"),
        format!("$JS.API.CONSUMER.CREATE.{stream}.>"),
        format!("$JS.API.CONSUMER.DELETE.{stream}.>"),
        format!("$JS.API.DIRECT.GET.{stream}.>"),
        format!("$JS.FC.{stream}.>"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled_with_the_users_own_name() {
        let agent = agent();
        assert_eq!(agent.publish_as("c1", "U1"), ["fl.st.c1.>", "fl.a.c1.*"]);
        assert_eq!(boot().subscribe_as("boot", "U1"), ["_INBOX_boot_U1.>"]);
    }

    #[test]
    fn no_role_but_its_own_service_may_append_to_an_event_subject() {
        for service in Service::ALL {
            let own = format!("fl.ev.{service}.>");
            for role in roles().iter().filter(|role| role.publish.contains(&own)) {
                assert_eq!(role.name, service.token());
            }
        }
    }
}
