//! What is generated is committed, and what is committed is what is generated. The checks are in
//! `tests/`; nothing else lives here.
