//! `keyrota status`.

use clap::Args;

use super::context::Context;
use super::exit::Failed;

/// Options of `keyrota status`.
#[derive(Debug, Args)]
pub struct Status {}

/// Does it; the exit code.
pub fn run(_args: &Status, _context: &Context<'_>) -> Result<u8, Failed> {
    Err(Failed::new(super::exit::USAGE, "not written yet"))
}
