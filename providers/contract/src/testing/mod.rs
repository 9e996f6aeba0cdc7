//! What tests need: a provider in memory, faults on demand, and the contract as code.
//!
//! # Layout
//! - [`memory`]: [`Memory`], the reference provider; [`MemoryFlat`], a store of names and values
//! - [`faulty`]: [`Faults`], one plan for everything a test drives; [`Faulty`], a provider under it
//! - [`conformance`]: the promises every provider keeps, each a function

use std::os::unix::fs::MetadataExt;

pub mod conformance;
pub mod faulty;
pub mod memory;

pub use conformance::Subject;
pub use faulty::{Fault, Faults, Faulty, Reply};
pub use memory::{Memory, MemoryFlat};

/// [`machine_has`] root, where a test needs it to do what `act` says.
///
/// # Panics
/// In an automatic build by another user.
pub fn root_may(act: &str) -> bool {
    let me = std::fs::metadata("/proc/self").map(|me| me.uid());
    machine_has(&format!("root, to {act}"), me.is_ok_and(|uid| uid == 0))
}

/// Whether this machine has what a test needs. A test without it is left out and says so; in an automatic build
/// (`CI` is set, as `tests/run` does) it fails.
///
/// # Panics
/// In an automatic build that lacks `what`.
pub fn machine_has(what: &str, found: bool) -> bool {
    let automatic = std::env::var_os("CI").is_some_and(|said| !said.is_empty());
    assert!(
        found || !automatic,
        "this test needs {what}, and CI is set: run the tests where they have it, or unset CI to leave this test out"
    );
    if !found {
        eprintln!("left out: this test needs {what}");
    }
    found
}

#[cfg(test)]
mod tests;
