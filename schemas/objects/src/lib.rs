//! The one door for API objects: text to checked value and back.
