//! What several domains share: amounts, expressions, labels, what all objects have, rollouts. One
//! program, because each is a link.

mod amounts;
mod cel;
mod costs;
mod objects;
mod reference;
mod rollout;
mod selectors;
