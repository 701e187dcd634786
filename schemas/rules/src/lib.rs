//! What several domains share and users know: selectors, quantities, durations, conditions.
