//! What several tests need: real servers, the real binary.

pub mod keyrota;
pub mod postgres;
