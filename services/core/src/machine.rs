//! The machine that the chassis' loops drive: plain objects, the decisions on them and what
//! follows.

use crate::{answer, decode, handlers};
use bytes::Bytes;
use fleetlog_chassis::{Decided, Denied, Effect, Machine, Request, Unreadable};
use fleetlog_core_domain::projection::kind_of;
use fleetlog_core_domain::{Follow, World};
use fleetlog_kernel::{Position, Reaction as _, Service};
use fleetlog_messages::common::{Query, Refusal, Row};
use fleetlog_messages::core::{DestroyKeys, EmptyNamespace, ObjectCommand, object_command};
use fleetlog_messages::envelope::Recorded;
use prost::Message as _;
use std::convert::Infallible;

/// The core service as a machine.
#[derive(Debug, Default)]
pub struct Core {
    world: World,
    /// The commit that was applied last; no part of the state.
    last: Option<Position>,
}

impl Core {
    /// Everything that the service knows.
    #[must_use]
    pub const fn world(&self) -> &World {
        &self.world
    }
}

impl Machine for Core {
    type Effect = Infallible;

    const SERVICE: Service = Service::Core;

    fn apply(&mut self, commit: &Recorded) -> Result<(), Unreadable> {
        let change = decode::change(commit)?;
        self.last = change.as_ref().map(|_| commit.position);
        if let Some(change) = &change {
            self.world.apply(change, commit.position);
        }
        Ok(())
    }

    fn react(&self, commit: &Recorded) -> Vec<Effect<Infallible>> {
        if self.last != Some(commit.position) {
            return vec![];
        }
        (&self.world).react(&()).into_iter().filter_map(effect).collect()
    }

    fn decide(&self, request: &Request) -> Result<Vec<Decided>, Denied> {
        handlers::decide(&self.world, request)
    }

    fn answer(&self, query: &Query) -> Result<Vec<Bytes>, Refusal> {
        answer::objects(&self.world, query).map_err(|refusal| Refusal::from(&refusal))
    }

    fn rows(&self) -> Vec<Row> {
        self.world.rows()
    }

    fn restore(rows: &[Row]) -> Result<Self, String> {
        World::of_rows(rows).map(|world| Self { world, ..Self::default() })
    }
}

/// What is derived of others goes with what it is derived from: that cannot be deleted.
fn effect(follow: Follow) -> Option<Effect<Infallible>> {
    Some(match follow {
        Follow::Delete(to) => {
            let info = kind_of(to.service, &to.kind)?;
            let payload = fleetlog_objects::delete(info, "").ok()?.into();
            Effect::Tell { to, payload }
        }
        Follow::Empty(to) => {
            let command = Some(object_command::Command::Empty(EmptyNamespace {}));
            Effect::Tell { to, payload: ObjectCommand { command }.encode_to_vec().into() }
        }
        Follow::Destroy(to, keys) => {
            let command = Some(object_command::Command::Destroy(DestroyKeys { keys }));
            Effect::Tell { to, payload: ObjectCommand { command }.encode_to_vec().into() }
        }
    })
}
