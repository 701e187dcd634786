//! The table of the matrix, out of topology's own data: every user of every kind, every subject
//! that a stream, a passage, a queue or a role speaks of, and what the data says about each pair.

use fleetlog_bus::Credentials;
use fleetlog_kernel::Service;
use fleetlog_test_support::TestHub;
use fleetlog_topology::accounts::PASSAGES;
use fleetlog_topology::roles::tagged;
use fleetlog_topology::{Role, queues, roles, streams};
use nkeys::KeyPair;
use std::collections::BTreeSet;

/// One user of the matrix.
pub struct User {
    /// As the table calls it.
    pub label: String,
    /// Its role's name.
    pub role: &'static str,
    /// What it shows the server.
    pub credentials: Credentials,
    /// Patterns it may publish to.
    pub publish: Vec<String>,
    /// Patterns it may subscribe to.
    pub subscribe: Vec<String>,
}

impl User {
    fn new(role: &Role, label: &str, credentials: Credentials) -> Self {
        let key = KeyPair::from_seed(&credentials.seed).unwrap().public_key();
        let name = credentials.name().unwrap();
        let claims = fleetlog_bus::jwt::claims_of(&credentials.jwt).unwrap();
        let tags = claims["nats"]["tags"].as_array().cloned().unwrap_or_default();
        let subject =
            |tag: serde_json::Value| Some(tag.as_str()?.strip_prefix("subject:")?.to_owned());
        let subjects: Vec<String> = tags.into_iter().filter_map(subject).collect();
        Self {
            label: label.to_owned(),
            role: role.name,
            publish: tagged(&role.publish_as(&name, &key), &subjects),
            subscribe: role.subscribe_as(&name, &key),
            credentials,
        }
    }

    /// Whether the data lets it publish here.
    pub fn may_publish(&self, subject: &str) -> bool {
        self.publish.iter().any(|pattern| covers(pattern, subject))
    }

    /// Whether the data lets it subscribe to this filter: some pattern covers all that it does.
    pub fn may_subscribe(&self, filter: &str) -> bool {
        self.subscribe.iter().any(|pattern| covers(pattern, filter))
    }
}

/// Two agents, two bearers of join tokens, two people, a follower of everything and one of a part,
/// those who run the hub, every service.
pub fn users(hub: &TestHub) -> Vec<User> {
    let identity = hub.identity().unwrap();
    let roles = roles();
    let role = |name: &str| roles.iter().find(|role| role.name == name).unwrap();
    let mut users = vec![
        User::new(role("agent"), "c1", hub.agent_credentials("c1").unwrap()),
        User::new(role("agent"), "c2", hub.agent_credentials("c2").unwrap()),
        User::new(role("boot"), "boot1", hub.boot_credentials().unwrap()),
        User::new(role("boot"), "boot2", hub.boot_credentials().unwrap()),
        User::new(role("user"), "alice", identity.new_user("alice").unwrap()),
        User::new(role("user"), "bob", identity.new_user("bob").unwrap()),
        User::new(role("operator"), "operator", identity.operator().unwrap()),
        User::new(role("gateway"), "gateway", identity.gateway().unwrap()),
        User::new(role("follower"), "all", follower(hub, "all", &["fl.ev.>"])),
        User::new(role("follower"), "part", follower(hub, "part", &PART)),
        User::new(role("auditor"), "auditor", identity.auditor().unwrap()),
        User::new(role("keeper"), "keeper", identity.keeper().unwrap()),
    ];
    users.extend(Service::ALL.map(|service| {
        let credentials = identity.service(service).unwrap();
        User::new(role(service.token()), service.token(), credentials)
    }));
    let tried: BTreeSet<&str> = users.iter().map(|user| user.role).collect();
    assert_eq!(tried, roles.iter().map(|role| role.name).collect(), "a role is not tried");
    users
}

/// What the follower of a part may read.
pub const PART: [&str; 2] = ["fl.ev.work.>", "fl.ev.registration.cluster.>"];

/// A follower, as the hub makes it.
pub fn follower(hub: &TestHub, name: &str, subjects: &[&str]) -> Credentials {
    let subjects: Vec<String> = subjects.iter().map(|&subject| subject.to_owned()).collect();
    hub.identity().unwrap().new_follower(name, &subjects).unwrap()
}

/// Every pattern of topology, each role's as filled for each of the users.
pub fn patterns(users: &[User]) -> BTreeSet<String> {
    let mut all: BTreeSet<String> = streams().into_iter().flat_map(|s| s.subjects).collect();
    all.extend(streams().into_iter().filter_map(|s| s.republish).flat_map(|(a, b)| [a, b]));
    all.extend(PASSAGES.iter().map(|passage| passage.subject.to_owned()));
    all.extend(queues().into_iter().map(|queue| queue.filter));
    all.extend(users.iter().flat_map(|user| user.publish.clone()));
    all.extend(users.iter().flat_map(|user| user.subscribe.clone()));
    let wide = [">", "*", "*.>", "fl.>", "fl.*.>", "_INBOX.>", "_R_.>", "$SYS.>", "$JS.>", "$O.>"];
    all.extend(wide.map(str::to_owned));
    let wide = ["fl.live.*.>", "fl.live.*.x", "_INBOX_*", "fl.a.*.beat", "fl.st.*.cluster"];
    all.extend(wide.map(str::to_owned));
    all
}

/// A literal of every pattern, and what nobody but the server and the operator should reach.
pub fn literals(patterns: &BTreeSet<String>) -> BTreeSet<String> {
    let literal = |pattern: &String| {
        let tokens = pattern.split('.').map(|token| match token {
            "*" => "x1",
            ">" => "x1.x2",
            token => token,
        });
        tokens.collect::<Vec<_>>().join(".")
    };
    let mut all: BTreeSet<String> = patterns.iter().map(literal).collect();
    let more = [
        "$JS.API.INFO",
        "$JS.API.STREAM.CREATE.NEW",
        "$JS.API.STREAM.UPDATE.EVENTS",
        "$JS.API.STREAM.PURGE.WORK",
        "$JS.API.STREAM.DELETE.EVENTS",
        "$JS.API.STREAM.MSG.DELETE.EVENTS",
        "$JS.API.CONSUMER.CREATE.EVENTS",
        "$JS.API.CONSUMER.CREATE.EVENTS.x1.fl.ev.>",
        "$JS.API.CONSUMER.CREATE.AUDIT",
        "$JS.API.CONSUMER.CREATE.AUDIT.x1",
        "$JS.API.CONSUMER.CREATE.AUDIT.x1.fl.ev.>",
        "$JS.API.CONSUMER.CREATE.AUDIT.x1.fl.ev.placement.>",
        "$JS.API.CONSUMER.DURABLE.CREATE.AUDIT.x1",
        "$JS.API.CONSUMER.NAMES.AUDIT",
        "$JS.API.CONSUMER.LIST.AUDIT",
        "$JS.API.STREAM.UPDATE.AUDIT",
        "$JS.API.STREAM.DELETE.AUDIT",
        "$JS.API.STREAM.PURGE.AUDIT",
        "$JS.API.STREAM.CREATE.NEW2",
        "$JS.API.STREAM.LIST",
        "$JS.API.STREAM.NAMES",
        "$JS.API.STREAM.MSG.GET.AUDIT",
        "$JS.API.DIRECT.GET.AUDIT",
        "JS.HUB.API.CONSUMER.CREATE.EVENTS.x1.fl.ev.>",
        "fl.audit.deliver.x1",
        "$JS.API.CONSUMER.DELETE.CMD.cmd-work",
        "$JS.ACK.CMD.cmd-work.1.1.1.1700000000000000000.0",
        "$JS.ACK.WORK.x1.1.1.1.1700000000000000000.0",
        "$SYS.REQ.USER.INFO",
        "$SYS.REQ.CLAIMS.UPDATE",
        "_R_.abc.def",
        "_INBOX.guess",
        "fl.a.c1.beat",
        "fl.a.c2.beat",
        "fl.live.c1.shop",
        "fl.live.c2.shop",
        "fl.st.c1.x.cluster",
        "fl.lead.nobody",
        "fl.timer.set.work.x",
        "fl.timer.set.registration.x",
    ];
    all.extend(more.map(str::to_owned));
    all
}

/// Whether `pattern` takes everything that `other` (a literal or a filter) takes.
pub fn covers(pattern: &str, other: &str) -> bool {
    let (mut want, mut have) = (pattern.split('.'), other.split('.'));
    loop {
        match (want.next(), have.next()) {
            (None, None) | (Some(">"), Some(_)) => return true,
            (Some("*"), Some(token)) if token != ">" => {}
            (Some(want), Some(have)) if want == have => {}
            _ => return false,
        }
    }
}
