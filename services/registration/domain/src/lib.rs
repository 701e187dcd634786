//! What the registration service decides, and why: pure.
