//! The life of the process: understand the command line, guard the process, do one thing, say how it went.

use std::process::ExitCode;

use clap::Parser;
use keyrota::commands::{self, Cli, Command};
use keyrota::world;

fn main() -> ExitCode {
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
    match commands::run(&cli) {
        Ok(code) => ExitCode::from(code),
        Err(failed) => {
            commands::log::failure(&cli, &failed);
            ExitCode::from(failed.code)
        }
    }
}
