//! The life of the process: understand the command line, guard the process, do one thing, say how it went.

use std::process::ExitCode;

use clap::Parser;

use crate::commands::{self, Cli, Command};
use crate::config::Registry;
use crate::world;

/// Runs the command line with these kinds and returns the exit code of the process. Reads the
/// arguments and the environment of the process, so it is called once, by `main`.
pub fn run(registry: Registry) -> ExitCode {
    commands::log::panics();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers; anything else is a usage error.
            let code = if error.use_stderr() {
                commands::exit::USAGE
            } else {
                commands::exit::DONE
            };
            commands::log::usage(&error);
            return ExitCode::from(code);
        }
    };
    // Before anything is read: what cannot be guarded is told at debug level once logs exist.
    // `run` becomes another program, to which it must not hand on its own umask and limits.
    let undone = match cli.command {
        Command::Run(_) => Vec::new(),
        _ => world::harden(),
    };
    commands::log::start(&cli);
    for what in undone {
        tracing::debug!("{what}");
    }
    match commands::run(&cli, registry) {
        Ok(code) => ExitCode::from(code),
        Err(failed) => {
            commands::log::failure(&cli, &failed);
            ExitCode::from(failed.code)
        }
    }
}
