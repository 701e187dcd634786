//! What the work service decides, and why: pure.
