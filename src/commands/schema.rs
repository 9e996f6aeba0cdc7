//! `keyrota schema`.

use clap::Args;

use super::context::Context;
use super::exit::Failed;

/// Options of `keyrota schema`.
#[derive(Debug, Args)]
pub struct Schema {}

/// Does it; the exit code.
pub fn run(_args: &Schema, _context: &Context<'_>) -> Result<u8, Failed> {
    Err(Failed::new(super::exit::USAGE, "not written yet"))
}
