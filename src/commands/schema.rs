//! `keyrota schema`: for editors.

use clap::Args;

use super::context::Context;
use super::exit::{self, Failed};
use super::say;
use crate::config::schema::json_schema;

/// Options of `keyrota schema`.
#[derive(Debug, Args)]
#[command(
    after_help = "Prints the JSON Schema (2020-12) of schedules/<environment>.toml. Editors use it to complete and \
explain keys. For Taplo and Even Better TOML, write it to a file and begin the schedule with:

  #:schema ./schema.json

Sums and contradictions, such as a grace that is too short, are found by `keyrota validate` only."
)]
pub struct Schema {}

/// Does it; the exit code.
pub fn run(_: &Schema, context: &Context<'_>) -> Result<u8, Failed> {
    say::print_data(&format!("{:#}\n", json_schema(&context.registry)))?;
    Ok(exit::DONE)
}
