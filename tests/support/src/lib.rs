//! What the test crates share: guards for real servers, builders, waiting for conditions.
