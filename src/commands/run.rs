//! `keyrota run`.

use clap::Args;

use super::context::Context;
use super::exit::Failed;

/// Options of `keyrota run`.
#[derive(Debug, Args)]
pub struct Run {}

/// Does it; the exit code.
pub fn run(_args: &Run, _context: &Context<'_>) -> Result<u8, Failed> {
    Err(Failed::new(super::exit::USAGE, "not written yet"))
}
