//! `keyrota check`.

use clap::Args;

use super::context::Context;
use super::exit::Failed;

/// Options of `keyrota check`.
#[derive(Debug, Args)]
pub struct Check {}

/// Does it; the exit code.
pub fn run(_args: &Check, _context: &Context<'_>) -> Result<u8, Failed> {
    Err(Failed::new(super::exit::USAGE, "not written yet"))
}
