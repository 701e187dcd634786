//! What is generated is committed, and what is committed is what is generated. The checks are in
//! `tests/`; here is the reference page, which speaks of code that other generated files are part
//! of.

pub mod reference;
