//! Builds within a test: libraries are taken from the build that the test is of.

use std::path::Path;
use std::process::Command;

use super::keyrota::Ran;

/// The program. An example needs what tests need, and so libraries are built with the same features.
pub const PROGRAM: &[&str] = &["--bin", "keyrota", "--example", "tour"];

/// The directory of builds.
pub fn target() -> &'static Path {
    let program = Path::new(env!("CARGO_BIN_EXE_keyrota"));
    program.ancestors().nth(2).unwrap()
}

/// Runs cargo in a tree. What it makes for people goes to `target/NAME/debug`, everything in between to
/// where this build has it.
pub fn cargo(tree: &Path, name: &str, args: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO"));
    command.args(["--offline", "--locked"]).args(args);
    let of_this_test = [
        "CARGO_PKG",
        "CARGO_MANIFEST",
        "CARGO_BIN",
        "CARGO_CRATE",
        "CARGO_PRIMARY",
        "CARGO_TARGET",
        "CARGO_BUILD",
        "LD_LIBRARY_PATH",
    ];
    for (name, _) in std::env::vars_os() {
        let name = name.to_str().unwrap_or_default();
        if of_this_test.iter().any(|of| name.starts_with(of)) {
            command.env_remove(name);
        }
    }
    command
        .env("CARGO_TARGET_DIR", target().join(name))
        .env("CARGO_BUILD_BUILD_DIR", target())
        .current_dir(tree);
    Ran::fed(&mut command, "")
}
