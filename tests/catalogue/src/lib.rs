//! What is generated is committed, and what is committed is what is generated.
