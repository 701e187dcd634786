//! Leases and events in the binary form.

use super::Fields;
use super::kinds::{read, with};
use k8s_pb::api::coordination::v1 as coordination;
use k8s_pb::api::core::v1 as core;
use k8s_pb::api::events::v1 as events;
use k8s_pb::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use prost::DecodeError;

pub(super) fn lease(raw: &[u8]) -> Result<Fields, DecodeError> {
    let coordination::Lease { metadata, spec } = read(raw)?;
    let spec = spec.map(|spec| {
        Fields::default()
            .some("holderIdentity", spec.holder_identity)
            .some("leaseDurationSeconds", spec.lease_duration_seconds)
            .micro("acquireTime", micro(spec.acquire_time))
            .micro("renewTime", micro(spec.renew_time))
            .some("leaseTransitions", spec.lease_transitions)
            .some("strategy", text(spec.strategy))
            .some("preferredHolder", text(spec.preferred_holder))
    });
    Ok(with(metadata).part("spec", spec))
}

/// An event of the group without a name.
pub(super) fn event(raw: &[u8]) -> Result<Fields, DecodeError> {
    let given: core::Event = read(raw)?;
    let series = given.series.map(|of| series(of.count, of.last_observed_time));
    Ok(with(given.metadata)
        .part("involvedObject", given.involved_object.map(reference))
        .some("reason", text(given.reason))
        .some("message", text(given.message))
        .part("source", given.source.map(source))
        .time("firstTimestamp", time(given.first_timestamp))
        .time("lastTimestamp", time(given.last_timestamp))
        .some("count", given.count.filter(|count| *count != 0))
        .some("type", text(given.r#type))
        .micro("eventTime", micro(given.event_time))
        .part("series", series)
        .some("action", text(given.action))
        .part("related", given.related.map(reference))
        .some("reportingComponent", text(given.reporting_component))
        .some("reportingInstance", text(given.reporting_instance)))
}

/// One of the newer group.
pub(super) fn regarding(raw: &[u8]) -> Result<Fields, DecodeError> {
    let given: events::Event = read(raw)?;
    let series = given.series.map(|of| series(of.count, of.last_observed_time));
    Ok(with(given.metadata)
        .micro("eventTime", micro(given.event_time))
        .part("series", series)
        .some("reportingController", text(given.reporting_controller))
        .some("reportingInstance", text(given.reporting_instance))
        .some("action", text(given.action))
        .some("reason", text(given.reason))
        .part("regarding", given.regarding.map(reference))
        .part("related", given.related.map(reference))
        .some("note", text(given.note))
        .some("type", text(given.r#type))
        .part("deprecatedSource", given.deprecated_source.map(source))
        .time("deprecatedFirstTimestamp", time(given.deprecated_first_timestamp))
        .time("deprecatedLastTimestamp", time(given.deprecated_last_timestamp))
        .some("deprecatedCount", given.deprecated_count.filter(|count| *count != 0)))
}

fn reference(given: core::ObjectReference) -> Fields {
    Fields::default()
        .some("kind", text(given.kind))
        .some("namespace", text(given.namespace))
        .some("name", text(given.name))
        .some("uid", text(given.uid))
        .some("apiVersion", text(given.api_version))
        .some("resourceVersion", text(given.resource_version))
        .some("fieldPath", text(given.field_path))
}

fn source(given: core::EventSource) -> Fields {
    Fields::default().some("component", text(given.component)).some("host", text(given.host))
}

fn series(count: Option<i32>, last: Option<MicroTime>) -> Fields {
    Fields::default().some("count", count).micro("lastObservedTime", micro(last))
}

/// Go sends empty texts for what is not given.
fn text(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn time(time: Option<Time>) -> Option<(Option<i64>, Option<i32>)> {
    time.map(|time| (time.seconds, time.nanos))
}

fn micro(time: Option<MicroTime>) -> Option<(Option<i64>, Option<i32>)> {
    time.map(|time| (time.seconds, time.nanos))
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message as _;
    use serde_json::json;

    #[test]
    fn a_lease_keeps_its_microseconds() {
        let at = |nanos| Some(MicroTime { seconds: Some(5), nanos: Some(nanos) });
        let spec = coordination::LeaseSpec {
            holder_identity: Some("h".into()),
            lease_duration_seconds: Some(15),
            acquire_time: at(0),
            renew_time: at(120_000_999),
            ..coordination::LeaseSpec::default()
        };
        let given = coordination::Lease { metadata: None, spec: Some(spec) };
        let wanted = json!({"spec": {
            "holderIdentity": "h", "leaseDurationSeconds": 15,
            "acquireTime": "1970-01-01T00:00:05.000000Z",
            "renewTime": "1970-01-01T00:00:05.120000Z",
        }});
        assert_eq!(lease(&given.encode_to_vec()).unwrap().value(), wanted);
    }

    #[test]
    fn events_are_read_in_the_words_of_their_group() {
        let about = core::ObjectReference {
            kind: Some("ManagedCluster".into()),
            name: Some("c1".into()),
            uid: Some(String::new()),
            ..core::ObjectReference::default()
        };
        let old = core::Event {
            involved_object: Some(about.clone()),
            message: Some("m".into()),
            count: Some(2),
            ..core::Event::default()
        };
        let about_json = json!({"kind": "ManagedCluster", "name": "c1"});
        let wanted = json!({"involvedObject": about_json, "message": "m", "count": 2});
        assert_eq!(event(&old.encode_to_vec()).unwrap().value(), wanted);
        let new = events::Event {
            regarding: Some(about),
            note: Some("m".into()),
            series: Some(events::EventSeries { count: Some(3), last_observed_time: None }),
            ..events::Event::default()
        };
        let wanted = json!({"regarding": about_json, "note": "m", "series": {"count": 3}});
        assert_eq!(regarding(&new.encode_to_vec()).unwrap().value(), wanted);
    }
}
