//! What the placement service decides, and why: pure.
