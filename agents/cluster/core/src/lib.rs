//! The agent's choices: desired, observed, plan, report. Pure.
