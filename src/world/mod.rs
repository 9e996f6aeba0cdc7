//! world: to be written
