//! `keyrota audit`.

use clap::Args;

use super::context::Context;
use super::exit::Failed;

/// Options of `keyrota audit`.
#[derive(Debug, Args)]
pub struct Audit {}

/// Does it; the exit code.
pub fn run(_args: &Audit, _context: &Context<'_>) -> Result<u8, Failed> {
    Err(Failed::new(super::exit::USAGE, "not written yet"))
}
