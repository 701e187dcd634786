//! Conditions said one after the other, transition times kept where the status stays.

use fleetlog_kernel::Timestamp;
use fleetlog_messages::common::Condition;
use fleetlog_rules::condition::{self, Say, Status};

/// The conditions that an object served before, and what is said of it now.
pub struct Saying {
    conditions: Vec<Condition>,
    generation: i64,
    at: Timestamp,
}

impl Saying {
    pub fn new(before: &[Condition], generation: i64, at: Timestamp) -> Self {
        Self { conditions: before.to_vec(), generation, at }
    }

    pub fn say(&mut self, kind: &str, status: Status, reason: &str, message: &str) {
        condition::set(&mut self.conditions, Say { kind, status, reason, message }, self.at);
        let said = self.conditions.iter_mut().find(|c| c.r#type() == kind);
        if let Some(said) = said {
            said.observed_generation = Some(self.generation);
        }
    }

    pub fn end(self) -> Vec<Condition> {
        self.conditions
    }
}
