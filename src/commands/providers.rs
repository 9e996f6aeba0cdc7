//! `keyrota providers`.

use clap::Args;

use super::context::Context;
use super::exit::Failed;

/// Options of `keyrota providers`.
#[derive(Debug, Args)]
pub struct Providers {}

/// Does it; the exit code.
pub fn run(_args: &Providers, _context: &Context<'_>) -> Result<u8, Failed> {
    Err(Failed::new(super::exit::USAGE, "not written yet"))
}
