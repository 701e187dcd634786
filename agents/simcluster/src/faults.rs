//! Faults on order: requests that fail the way an overloaded or broken API server fails them.
//! For tests; a cluster without orders never fails by itself.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::failure::Failure;
use crate::kinds::Kind;
use crate::request::Verb;

/// Which requests an order is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requests {
    /// Every request on objects.
    All,
    /// What changes something: create, update, patch, delete.
    Writes,
    /// What changes nothing: get, list, watch.
    Reads,
}

/// How a request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 500 InternalError.
    Internal,
    /// 429 TooManyRequests.
    TooManyRequests,
    /// 403 Forbidden, as for an agent without the rights.
    Forbidden,
}

/// A handle to order faults with; all handles of a cluster are one.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Vec<Order>>>);

struct Order {
    requests: Requests,
    plural: Option<String>,
    fault: Fault,
    left: u32,
}

impl Faults {
    /// The next `count` of these requests fail.
    pub fn fail_next(&self, requests: Requests, count: u32, fault: Fault) {
        self.order(Order { requests, plural: None, fault, left: count });
    }

    /// The next `count` of these requests on one resource (`deployments`) fail.
    pub fn fail_next_on(&self, plural: &str, requests: Requests, count: u32, fault: Fault) {
        self.order(Order { requests, plural: Some(plural.to_owned()), fault, left: count });
    }

    /// How many failures are still to come.
    #[must_use]
    pub fn left(&self) -> u32 {
        let orders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        orders.iter().map(|order| order.left).sum()
    }

    /// Takes all orders back.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn order(&self, order: Order) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(order);
    }

    pub(crate) fn check(&self, verb: Verb, kind: &Kind) -> Result<(), Failure> {
        let mut orders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let meant = |order: &&mut Order| {
            let wanted = match order.requests {
                Requests::All => true,
                Requests::Writes => verb.writes(),
                Requests::Reads => !verb.writes(),
            };
            wanted && order.plural.as_ref().is_none_or(|plural| *plural == kind.plural)
        };
        let Some(order) = orders.iter_mut().find(meant) else { return Ok(()) };
        let fault = order.fault;
        order.left = order.left.saturating_sub(1);
        orders.retain(|order| order.left > 0);
        Err(match fault {
            Fault::Internal => Failure::new(500, "InternalError", "an error on the server"),
            Fault::TooManyRequests => {
                Failure::new(429, "TooManyRequests", "the server has received too many requests")
            }
            Fault::Forbidden => {
                let why = format!("User \"agent\" cannot {} {}", verb.name(), kind.id);
                Failure::forbidden(kind, "", &why)
            }
        })
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faults({} left)", self.left())
    }
}
