//! What happens in a story: what is done in it, and what follows from it.

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happening {
    /// A cluster is cut off for longer than its grace.
    Silence,
    /// Two are, at once.
    TwoSilences,
    /// All are, at once.
    EverySilence,
    /// A cluster is cut off for less than its grace.
    ShortSilence,
    /// A cluster is cut off and back, again and again.
    Flapping,
    /// All services are away for longer than every grace.
    HubAbsence,
    /// Registration alone is away for longer than every grace.
    RegistrationAbsence,
    /// All services are away, and the server restarts meanwhile.
    ServerAbsence,
    /// A lease gets longer.
    LongerLease,
    /// A lease gets shorter.
    ShorterLease,
    /// The lease of a silent cluster is edited.
    EditInSilence,
    /// A placement wants another number of clusters.
    Scale,
    /// A replica set changes.
    Template,
    /// A cluster became Unknown.
    Expiry,
    /// A cluster became available again.
    Return,
    /// A placement chose another cluster for one that is tainted.
    Move,
    /// A work was withdrawn.
    Withdrawal,
    /// The user taints a cluster.
    Taint,
    /// The user takes a taint away.
    Untaint,
    /// A cluster gets another label.
    Relabel,
    /// An add-on scores a cluster.
    Score,
    /// It takes its scores back.
    Unscore,
    /// A placement is created.
    Creation,
    /// A placement is edited.
    Edit,
    /// A placement is deleted.
    Deletion,
    /// A placement is told to choose afresh.
    Rebalance,
    /// A placement decided, and was compared with the reference.
    Revision,
}

impl Happening {
    /// What a failover does.
    pub const ACTS: [Self; 13] = [
        Self::Silence,
        Self::TwoSilences,
        Self::EverySilence,
        Self::ShortSilence,
        Self::Flapping,
        Self::HubAbsence,
        Self::RegistrationAbsence,
        Self::ServerAbsence,
        Self::LongerLease,
        Self::ShorterLease,
        Self::EditInSilence,
        Self::Scale,
        Self::Template,
    ];

    /// What follows of that.
    pub const CONSEQUENCES: [Self; 4] = [Self::Expiry, Self::Return, Self::Move, Self::Withdrawal];

    /// What happens where choices are made.
    pub const CHOICES: [Self; 14] = [
        Self::Silence,
        Self::Taint,
        Self::Untaint,
        Self::Relabel,
        Self::Score,
        Self::Unscore,
        Self::Creation,
        Self::Edit,
        Self::Deletion,
        Self::Rebalance,
        Self::Revision,
        Self::Expiry,
        Self::Return,
        Self::Move,
    ];
}
