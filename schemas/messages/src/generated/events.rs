//! Every schema of events. Generated from `schemas/proto`; do not edit.

use crate::upcast::EventSchema;

/// Every schema of events, in the order of the protos.
pub const EVENTS: &[EventSchema] = &[
    EventSchema {
        name: "fleetlog.addon.v1.DefinitionEvent",
        family: "addon.DefinitionEvent",
        version: 1,
        types: &[
            "DefinitionSpecified",
            "InstallPlanned",
            "DefinitionProgressed",
            "DefinitionDeletionRequested",
            "DefinitionDeleted",
            "InstallRevisited",
        ],
    },
    EventSchema {
        name: "fleetlog.addon.v1.AddOnEvent",
        family: "addon.AddOnEvent",
        version: 1,
        types: &["AddOnSpecified", "AddOnProgressed", "AddOnDeletionRequested", "AddOnDeleted"],
    },
    EventSchema {
        name: "fleetlog.addon.v1.TemplateEvent",
        family: "addon.TemplateEvent",
        version: 1,
        types: &["TemplateSpecified", "TemplateDeleted", "TemplateDeletionRequested"],
    },
    EventSchema {
        name: "fleetlog.common.v1.ProjectionEvent",
        family: "common.ProjectionEvent",
        version: 1,
        types: &["ProjectionRebuildRequested"],
    },
    EventSchema {
        name: "fleetlog.core.v1.ObjectEvent",
        family: "core.ObjectEvent",
        version: 1,
        types: &["ObjectWritten", "ObjectDeletionRequested", "ObjectDeleted"],
    },
    EventSchema {
        name: "fleetlog.placement.v1.PlacementEvent",
        family: "placement.PlacementEvent",
        version: 1,
        types: &[
            "PlacementSpecified",
            "PlacementDeleted",
            "PlacementDecided",
            "PlacementJudged",
            "PlacementDeletionRequested",
            "PageDiscarded",
        ],
    },
    EventSchema {
        name: "fleetlog.placement.v1.DecisionEvent",
        family: "placement.DecisionEvent",
        version: 1,
        types: &["DecisionSpecified", "DecisionDeleted", "DecisionDeletionRequested"],
    },
    EventSchema {
        name: "fleetlog.placement.v1.ScoreEvent",
        family: "placement.ScoreEvent",
        version: 1,
        types: &["ScoreSpecified", "ScoreDeleted", "ScoreDeletionRequested"],
    },
    EventSchema {
        name: "fleetlog.registration.v1.ClusterEvent",
        family: "registration.ClusterEvent",
        version: 1,
        types: &[
            "ClusterSpecified",
            "ClusterAccepted",
            "ClusterDenied",
            "ClusterJoinRequested",
            "ClusterJoined",
            "ClusterStatusReported",
            "ClusterBecameAvailable",
            "LeaseExpired",
            "TaintAdded",
            "TaintRemoved",
            "ClusterDeleted",
            "ClusterDeletionRequested",
            "ClusterStatusWritten",
        ],
    },
    EventSchema {
        name: "fleetlog.registration.v1.ClusterSetEvent",
        family: "registration.ClusterSetEvent",
        version: 1,
        types: &[
            "ClusterSetSpecified",
            "ClusterSetDeleted",
            "ClusterSetCounted",
            "ClusterSetDeletionRequested",
        ],
    },
    EventSchema {
        name: "fleetlog.registration.v1.BindingEvent",
        family: "registration.BindingEvent",
        version: 1,
        types: &["BindingSpecified", "BindingDeleted", "BindingBound"],
    },
    EventSchema {
        name: "fleetlog.registration.v2.BindingEvent",
        family: "registration.BindingEvent",
        version: 2,
        types: &[
            "BindingSpecified",
            "BindingDeleted",
            "BindingBound",
            "BindingUnbound",
            "BindingDeletionRequested",
        ],
    },
    EventSchema {
        name: "fleetlog.work.v1.WorkEvent",
        family: "work.WorkEvent",
        version: 1,
        types: &["WorkSpecified", "WorkStatusReported", "WorkDeletionRequested", "WorkDeleted"],
    },
    EventSchema {
        name: "fleetlog.work.v1.ReplicaSetEvent",
        family: "work.ReplicaSetEvent",
        version: 1,
        types: &[
            "ReplicaSetSpecified",
            "FanOutPlanned",
            "ReplicaSetSummarized",
            "ReplicaSetDeletionRequested",
            "ReplicaSetDeleted",
        ],
    },
];
