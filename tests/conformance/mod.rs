//! Providers against the servers they are for: the contract's promises, and what only one store has.

mod aws;
mod lagging;
mod vault;
