//! Providers at AWS. This crate alone names the AWS SDKs, and it sees nothing of keyrota but the
//! contract.
//!
//! Neither provider does any I/O before its first call. The SDKs' own retries are off: whoever
//! calls decides when to try again, so that every try can be seen. Every call has a time limit.
//!
//! # Layout
//! - [`config`]: [`AwsConfig`], and the connection that is made of it at the first call
//! - `who`: the credentials, and why they never come; `error`: what an answer, or the lack of one, means; `rights`: what a denied call needs
//! - [`secrets_manager`]: [`SecretsManagerProvider`], `kind = "aws-secrets-manager"`
//! - [`ssm`]: [`SsmProvider`], `kind = "aws-ssm"`; `ssm/history`: what stands under a parameter's
//!   name; `ssm/description`: what keyrota writes beside a version; `ssm/limiter`: how often

// Numbers from servers, files and databases must never make arithmetic panic.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

pub mod config;
mod error;
mod rights;
pub mod secrets_manager;
pub mod ssm;
#[cfg(test)]
mod testing;
mod who;

pub use config::AwsConfig;
pub use secrets_manager::SecretsManagerProvider;
pub use ssm::{SsmConfig, SsmProvider, Tier};
