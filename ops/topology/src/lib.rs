//! Streams, consumers, accounts and permissions as data, applied and verified.
