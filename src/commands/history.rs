//! `keyrota history`.

use clap::Args;

use super::context::Context;
use super::exit::Failed;

/// Options of `keyrota history`.
#[derive(Debug, Args)]
pub struct History {}

/// Does it; the exit code.
pub fn run(_args: &History, _context: &Context<'_>) -> Result<u8, Failed> {
    Err(Failed::new(super::exit::USAGE, "not written yet"))
}
