//! Figures: each with its setting, its goal and a baseline of the same run.
