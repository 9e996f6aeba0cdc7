//! What can keep values: each kind of provider whole, in a file of its own. What it is called, what a
//! schedule says of it, what may be kept there, what it can do, who gives the rights on it, and how it
//! is built. [`KINDS`] is the registry; nothing outside this folder knows one kind from another.
//!
//! Reading a section is pure, as all of [`crate::config`] is; only [`Settings::build`](crate::config::registry::Settings::build) reads a key or
//! a token. A store's protocol stands in the crate of its dependencies, `providers/*`, unless it needs
//! none that this crate has not.

use crate::config::registry::StoreKind;

#[cfg(feature = "aws")]
mod aws;
mod file;
#[cfg(test)]
mod tests;
#[cfg(feature = "vault")]
mod vault;

/// The registry: the kinds of this build, in the order in which they are told.
pub const KINDS: &[&StoreKind] = &[
    &file::KIND,
    #[cfg(feature = "aws")]
    &aws::SECRETS_MANAGER,
    #[cfg(feature = "aws")]
    &aws::PARAMETER_STORE,
    #[cfg(feature = "vault")]
    &vault::KIND,
];

/// The words of kinds that this build leaves out: known, and refused as such.
pub const LEFT_OUT: &[&str] = &[
    #[cfg(not(feature = "aws"))]
    "aws-secrets-manager",
    #[cfg(not(feature = "aws"))]
    "aws-ssm",
    #[cfg(not(feature = "vault"))]
    "vault",
];
