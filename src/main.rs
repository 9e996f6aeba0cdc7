//! The program `keyrota`, with the kinds of this build.

use std::process::ExitCode;

fn main() -> ExitCode {
    keyrota::process::run(keyrota::kinds::registry())
}
