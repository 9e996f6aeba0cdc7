//! `keyrota completions`.

use clap::Args;

use super::context::Context;
use super::exit::Failed;

/// Options of `keyrota completions`.
#[derive(Debug, Args)]
pub struct Completions {}

/// Does it; the exit code.
pub fn run(_args: &Completions, _context: &Context<'_>) -> Result<u8, Failed> {
    Err(Failed::new(super::exit::USAGE, "not written yet"))
}
