//! `keyrota validate`.

use clap::Args;

use super::context::Context;
use super::exit::Failed;

/// Options of `keyrota validate`.
#[derive(Debug, Args)]
pub struct Validate {}

/// Does it; the exit code.
pub fn run(_args: &Validate, _context: &Context<'_>) -> Result<u8, Failed> {
    Err(Failed::new(super::exit::USAGE, "not written yet"))
}
