//! `schedules/<environment>.toml` and `keyrota.toml`, to a checked model; every problem at once.

pub mod model;
