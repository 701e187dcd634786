//! What a process stands on, and the three loops: serve, project, react.
