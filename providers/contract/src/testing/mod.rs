//! What tests need: a provider in memory, faults on demand, and the contract as code.
//!
//! # Layout
//! - [`memory`]: [`Memory`], the reference provider; [`MemoryFlat`], a store of names and values
//! - [`faulty`]: [`Faults`], one plan for everything a test drives; [`Faulty`], a provider under it
//! - [`conformance`]: the promises every provider keeps, each a function

pub mod conformance;
pub mod faulty;
pub mod memory;

pub use conformance::Subject;
pub use faulty::{Fault, Faults, Faulty, Reply};
pub use memory::{Memory, MemoryFlat};

#[cfg(test)]
mod tests;
