//! The gate and the log, by the real binary: `check`, `run`, `audit`.

mod audit;
mod check;
mod hostile;
mod run;
mod signed;

use crate::support::keyrota::{Keyrota, Ran};

/// Runs it with these variables set.
fn run_with(keyrota: &Keyrota, variables: &[(&str, &str)], args: &[&str]) -> Ran {
    let mut command = keyrota.command(args);
    command.envs(variables.iter().copied());
    Ran::of(command.output().unwrap())
}
