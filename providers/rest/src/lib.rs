//! keyrota's providers that speak HTTPS and JSON.
//!
//! # Layout
//! - [`vault`]: the provider `vault`, for HashiCorp Vault and OpenBao, key/value version 2

// Numbers from servers, files and databases must never make arithmetic panic.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

pub mod vault;
