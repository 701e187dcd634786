//! The events of plain objects as sentences.

use super::{name, who};
use fleetlog_messages::core::{ObjectEvent, object_event};
use fleetlog_messages::envelope::Recorded;
use prost::Message as _;
use serde_json::Value;

pub(super) fn object(commit: &Recorded, event: &[u8]) -> Option<String> {
    use object_event::Event;
    let (kind, name) = (&commit.aggregate.kind, name(commit));
    Some(match ObjectEvent::decode(event).ok()?.event? {
        Event::Written(written) => {
            let object: Value = serde_json::from_slice(&written.object).ok()?;
            let verb = if is_new(commit, &object) { "creates" } else { "changes" };
            let values = match written.sealed.map(|sealed| sealed.names.len()) {
                None => String::new(),
                Some(1) => ", with 1 sealed value".to_owned(),
                Some(many) => format!(", with {many} sealed values"),
            };
            format!("{} {verb} {kind} {name}{values}", who(commit))
        }
        Event::DeletionRequested(asked) => format!("{} wants {kind} {name} gone", asked.by),
        Event::Deleted(_) => format!("{kind} {name} is gone"),
    })
}

/// Plain objects have no generation: a later incarnation is known by the moment of its birth.
fn is_new(commit: &Recorded, object: &Value) -> bool {
    let born = object.pointer("/metadata/creationTimestamp").and_then(Value::as_str);
    let born = born.and_then(fleetlog_messages::common::Time::parse).map(|time| time.seconds);
    commit.header.version == 1 || born == Some(commit.header.time.seconds())
}

#[cfg(test)]
mod tests {
    use super::super::tell;
    use super::super::tests::commit;
    use super::*;
    use fleetlog_kernel::Service;
    use fleetlog_messages::core::{ObjectDeleted, ObjectWritten, Sealed};
    use fleetlog_messages::subject::AggregateId;

    #[test]
    fn what_happens_to_a_secret_is_told_without_what_it_says() {
        let id = AggregateId::namespaced(Service::Core, "secret", "shop", "pass");
        let sealed = Sealed { names: vec!["a".into()], ..Sealed::default() };
        let written = ObjectWritten { object: b"{}".to_vec(), sealed: Some(sealed) };
        let event = ObjectEvent { event: Some(object_event::Event::Written(written)) };
        let told = tell(&commit(id.clone(), "ObjectEvent", "ObjectWritten", &event));
        assert_eq!(told[0].says, "admin creates secret shop/pass, with 1 sealed value");
        let event = ObjectEvent { event: Some(object_event::Event::Deleted(ObjectDeleted {})) };
        let told = tell(&commit(id, "ObjectEvent", "ObjectDeleted", &event));
        assert_eq!(told[0].says, "secret shop/pass is gone");
    }
}
