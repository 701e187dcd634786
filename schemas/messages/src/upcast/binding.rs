//! The events of bindings, from version 1 to version 2.

use super::Upcaster;
use crate::registration::{BindingEvent as Old, binding_event::Event as Was};
use crate::registration_v2::{
    BindingBound, BindingEvent, BindingUnbound, binding_event::Event as Is,
};
use prost::Message as _;
use prost::bytes::Bytes;

/// One `BindingBound` with a flag became two events.
pub(super) const TO_2: Upcaster = Upcaster {
    from: "fleetlog.registration.v1.BindingEvent",
    to: "fleetlog.registration.v2.BindingEvent",
    event,
};

fn event(bytes: &[u8]) -> Result<(&'static str, Bytes), String> {
    let read = Old::decode(bytes).map_err(|error| format!("is damaged: {error}"))?;
    let (name, event) = match read.event.ok_or("is empty")? {
        Was::Specified(specified) => ("BindingSpecified", Is::Specified(specified)),
        Was::Deleted(deleted) => ("BindingDeleted", Is::Deleted(deleted)),
        Was::Bound(bound) if bound.exists => {
            ("BindingBound", Is::Bound(BindingBound { at: bound.at }))
        }
        Was::Bound(bound) => ("BindingUnbound", Is::Unbound(BindingUnbound { at: bound.at })),
    };
    Ok((name, BindingEvent { event: Some(event) }.encode_to_vec().into()))
}
