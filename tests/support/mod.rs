//! What several tests need: real servers.

pub mod postgres;
