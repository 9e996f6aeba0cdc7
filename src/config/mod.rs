//! config: to be written
