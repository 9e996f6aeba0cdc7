//! keyrota with one more kind of provider: `kind = "directory"`.

use std::process::ExitCode;

mod directory;

fn main() -> ExitCode {
    keyrota::process::run(keyrota::kinds::registry().with_provider(&directory::KIND))
}
