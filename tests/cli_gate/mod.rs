//! The gate and the log, by the real binary: `check`, `run`, `audit`.

mod audit;
mod check;
mod run;

use crate::support::keyrota::{Keyrota, Ran};

/// Runs it with these variables set.
fn run_with(keyrota: &Keyrota, variables: &[(&str, &str)], args: &[&str]) -> Ran {
    let mut command = keyrota.command(args);
    command.envs(variables.iter().copied());
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
