//! engine: to be written
