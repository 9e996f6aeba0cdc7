//! The kinds of this build: what a schedule may name as a provider, a secret, a consumer.

use crate::config::keys::Family;
use crate::config::registry::Registry;
use crate::{consumers, rotators, stores};

/// All of them. [`crate::process::run`] takes a registry, so that a program can add kinds of its own.
pub fn registry() -> Registry {
    let none = Registry::default();
    let with = stores::KINDS
        .iter()
        .fold(none, |all, kind| all.with_provider(kind));
    let with = consumers::KINDS
        .iter()
        .fold(with, |all, kind| all.with_consumer(kind));
    let with = rotators::KINDS
        .iter()
        .fold(with, |all, kind| all.with_secret(kind));
    with.without(Family::Provider, stores::LEFT_OUT)
        .without(Family::Consumer, &["systemd", "webhook"])
}
