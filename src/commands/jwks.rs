//! `keyrota jwks`.

use clap::Args;

use super::context::Context;
use super::exit::Failed;

/// Options of `keyrota jwks`.
#[derive(Debug, Args)]
pub struct Jwks {}

/// Does it; the exit code.
pub fn run(_args: &Jwks, _context: &Context<'_>) -> Result<u8, Failed> {
    Err(Failed::new(super::exit::USAGE, "not written yet"))
}
