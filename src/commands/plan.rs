//! `keyrota plan`.

use clap::Args;

use super::context::Context;
use super::exit::Failed;

/// Options of `keyrota plan`.
#[derive(Debug, Args)]
pub struct Plan {}

/// Does it; the exit code.
pub fn run(_args: &Plan, _context: &Context<'_>) -> Result<u8, Failed> {
    Err(Failed::new(super::exit::USAGE, "not written yet"))
}
