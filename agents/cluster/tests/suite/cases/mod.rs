//! The cases, by what they are about.

pub mod applying;
pub mod joining;
pub mod keeping;
pub mod refusing;
