//! What keyrota asks of the things it is built from.
//!
//! A *provider* keeps values, a *rotator* changes a kind of secret, a *consumer* is told. The doc
//! comments here are the contract; the conformance suite (feature `testing`) is the same contract
//! as code. The table of every method against every store and every crash is in
//! `providers/README.md`, and the traits were shaped by it.
//!
//! # Layout
//! - [`value`]: [`SecretValue`], the only type that holds a secret
//! - [`error`]: [`ProviderError`], [`RotatorError`], [`DeliveryError`]: a kind and a fixed sentence
//! - [`provider`]: [`Provider`], [`Place`], [`VersionInfo`], [`Capabilities`]
//! - [`flat`]: [`Flat`], [`FlatProvider`]: stores that know only names and values
//! - [`lag`]: [`Written`], which waits for reads that are older than keyrota's own write
//! - [`rotator`]: [`Rotator`], [`Target`], [`Material`], [`Probe`]
//! - [`consumer`]: [`Consumer`], [`Delivery`], [`Exposure`]
//! - `testing` (feature): the provider in memory, faults, the conformance suite

pub mod consumer;
pub mod error;
pub mod flat;
pub mod lag;
pub mod provider;
pub mod rotator;
#[cfg(feature = "testing")]
pub mod testing;
pub mod value;

pub use consumer::{Ack, Consumer, Delivery, Exposure, Round, Variable};
pub use error::{DeliveryError, ErrorKind, ProviderError, RotatorError};
pub use flat::{Flat, FlatLimits, FlatProvider, Sibling, decode_public, encode_public};
pub use lag::{Recalled, Written};
pub use provider::{
    Capabilities, Native, Place, Promote, Provider, Public, Stage, VersionInfo, VersionRef,
};
pub use rotator::{
    Entropy, Material, Minted, Overlap, Probe, Quiet, Report, Rotator, Target, Version, Which,
};
pub use value::SecretValue;
