//! `keyrota import`.

use clap::Args;

use super::context::Context;
use super::exit::Failed;

/// Options of `keyrota import`.
#[derive(Debug, Args)]
pub struct Import {}

/// Does it; the exit code.
pub fn run(_args: &Import, _context: &Context<'_>) -> Result<u8, Failed> {
    Err(Failed::new(super::exit::USAGE, "not written yet"))
}
