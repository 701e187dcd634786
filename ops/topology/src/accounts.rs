//! The accounts and what passes between them, as data. Only HUB and READERS have JetStream: an
//! account that imports a writable service never has it, else an aimed reply could be stored. What
//! READERS imports writes nothing: it makes the consumer that its mirror of EVENTS is fed by.

/// An account of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// Services, and the only JetStream.
    Hub,
    /// Agents of member clusters, and those that ask to join.
    Agents,
    /// People and their tools.
    Users,
    /// Followers of the log: a copy of EVENTS, and nothing that leads anywhere else.
    Readers,
    /// The server's own.
    Sys,
}

impl Account {
    /// All accounts, in a fixed order.
    pub const ALL: [Self; 5] = [Self::Hub, Self::Agents, Self::Users, Self::Readers, Self::Sys];

    /// Its name on the server.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hub => "HUB",
            Self::Agents => "AGENTS",
            Self::Users => "USERS",
            Self::Readers => "READERS",
            Self::Sys => "SYS",
        }
    }
}

/// How something passes from HUB to another account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passing {
    /// Messages flow out of HUB.
    Messages,
    /// Requests flow into HUB; one answer comes back.
    OneAnswer,
    /// Requests flow into HUB; several answers come back, ended by an empty one.
    Answers,
}

/// One export of HUB and who imports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passage {
    /// The subject pattern.
    pub subject: &'static str,
    /// How it passes.
    pub passing: Passing,
    /// The importer.
    pub into: Account,
    /// The subject it has there, where it is another one.
    pub locally: Option<&'static str>,
    /// Whether HUB learns which user asks (the server writes it; a forged one is overwritten).
    pub tells_who: bool,
}

/// Everything that passes between accounts.
pub const PASSAGES: [Passage; 11] = [
    passage("fl.live.>", Passing::Messages, Account::Agents),
    passage("fl.res.>", Passing::Messages, Account::Users),
    Passage { tells_who: true, ..passage("fl.a.>", Passing::Answers, Account::Agents) },
    passage("fl.st.>", Passing::OneAnswer, Account::Agents),
    passage("fl.join.*", Passing::OneAnswer, Account::Agents),
    passage("fl.cmd.>", Passing::OneAnswer, Account::Users),
    passage("fl.qry.>", Passing::Answers, Account::Users),
    passage("fl.put.>", Passing::Answers, Account::Users),
    Passage {
        locally: Some("JS.HUB.API.CONSUMER.CREATE.EVENTS.>"),
        ..passage("$JS.API.CONSUMER.CREATE.EVENTS.>", Passing::OneAnswer, Account::Readers)
    },
    passage("$JS.FC.EVENTS.>", Passing::OneAnswer, Account::Readers),
    passage("fl.audit.deliver.>", Passing::Messages, Account::Readers),
];

const fn passage(subject: &'static str, passing: Passing, into: Account) -> Passage {
    Passage { subject, passing, into, locally: None, tells_who: false }
}
