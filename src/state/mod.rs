//! state: to be written
