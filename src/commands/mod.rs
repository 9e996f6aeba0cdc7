//! commands: to be written
