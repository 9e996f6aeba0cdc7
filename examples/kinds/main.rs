//! keyrota with three more kinds: a provider, a secret and a consumer.

use std::process::ExitCode;

mod directory;
mod signal;
mod wireguard;

fn main() -> ExitCode {
    let registry = keyrota::kinds::registry()
        .with_provider(&directory::KIND)
        .with_secret(&wireguard::KIND)
        .with_consumer(&signal::KIND);
    keyrota::process::run(registry)
}
