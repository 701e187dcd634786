//! A world that decides and folds what it decided, one position after another.

use fleetlog_core_domain::command::{Apply, Asked, Command, Values};
use fleetlog_core_domain::object::text;
use fleetlog_core_domain::projection::{kind_of, namespace_id};
use fleetlog_core_domain::{Change, Plain, Refusal, World};
use fleetlog_kernel::{Position, Service, Timestamp, Uid};
use fleetlog_messages::subject::AggregateId;
use fleetlog_rules::metadata::Change as Metadata;
use serde_json::{Value, json};

/// The world and how far it is.
#[derive(Default)]
pub struct Stage {
    pub world: World,
    position: u64,
}

pub fn id(kind: &str, namespace: &str, name: &str) -> AggregateId {
    let scope = (!namespace.is_empty()).then(|| namespace.to_owned());
    AggregateId { service: Service::Core, kind: kind.into(), scope, name: name.into() }
}

pub fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

pub fn map(namespace: &str, name: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": {"a": value},
        "metadata": {"name": name, "namespace": namespace},
    })
}

impl Stage {
    /// Decides a command; answers how many events it led to.
    pub fn command(&mut self, id: AggregateId, command: Command) -> Result<usize, Refusal> {
        let info = kind_of(Service::Core, &id.kind).unwrap();
        let place = self.world.place(&id);
        let uid = Uid::new(format!("uid-{}", self.position));
        let asked = Asked { id: id.clone(), info, uid, place, command };
        let unborn = Plain::default();
        let at = Timestamp::of_seconds(1_800_000_000 + i64::try_from(self.position).unwrap());
        let events = self.world.object(&id).unwrap_or(&unborn).decide(&asked, at)?;
        let count = events.len();
        if count > 0 {
            self.position += 1;
            self.world.apply(&Change::Own(id, info, events), Position(self.position));
        }
        Ok(count)
    }

    pub fn apply(&mut self, object: &Value) -> Result<usize, Refusal> {
        self.apply_at(object, "", Values::New(None))
    }

    pub fn apply_at(
        &mut self,
        object: &Value,
        expected: &str,
        values: Values,
    ) -> Result<usize, Refusal> {
        let info = fleetlog_objects::kind_of(object).unwrap();
        let (namespace, name) =
            (text(object, "/metadata/namespace"), text(object, "/metadata/name"));
        let (object, expected) = (object.clone(), expected.to_owned());
        let apply = Apply { object, expected, change: Metadata::Replace, values, status: false };
        let id = id(info.token, namespace, name);
        self.command(id, Command::Apply(Box::new(apply)))
    }

    pub fn delete(&mut self, kind: &str, namespace: &str, name: &str) -> Result<usize, Refusal> {
        let command = Command::Delete { uid: String::new(), by: "alice".into() };
        self.command(id(kind, namespace, name), command)
    }

    /// Looks whether a namespace is empty.
    pub fn empty(&mut self, name: &str) -> usize {
        let left = self.world.left(name);
        self.command(namespace_id(name), Command::Empty(left)).unwrap()
    }

    /// Another service has something in a namespace, or no more.
    pub fn others(&mut self, kind: &str, namespace: &str, name: &str, there: bool) {
        let id = AggregateId::namespaced(Service::Placement, kind, namespace, name);
        self.position += 1;
        self.world.apply(&Change::Other(id, there), Position(self.position));
    }

    pub fn object(&self, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        self.world.object(&id(kind, namespace, name))?.object().cloned()
    }
}
