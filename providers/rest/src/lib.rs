//! keyrota's providers that speak HTTPS and JSON.
//!
//! # Layout
//! - [`vault`]: the provider `vault`, for HashiCorp Vault and OpenBao, key/value version 2

pub mod vault;
