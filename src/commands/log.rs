//! What goes to standard error: diagnostics, and how a command failed.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::exit::Failed;
use super::{Cli, Command};

/// Crates that may quote what passes through them (statements, bodies, headers): warnings at most.
const QUIET: [&str; 7] = ["h2", "hyper", "reqwest", "rustls", "sqlx", "tokio", "tower"];
/// Crates that warn when something is refused or cannot be read, and quote the words: a server's, a
/// credential process', lines of the credentials file. keyrota has a sentence of its own for each.
const SILENT: [&str; 3] = ["aws_", "vaultrs", "rustify"];

/// Sets up logging. `KEYROTA_LOG` chooses what is told (`debug`, `keyrota=debug,warn`, …).
pub fn start(cli: &Cli) {
    let usual = if matches!(cli.command, Command::Daemon(_)) {
        LevelFilter::INFO
    } else {
        LevelFilter::WARN
    };
    let filter = EnvFilter::builder()
        .with_default_directive(usual.into())
        .with_env_var("KEYROTA_LOG")
        .from_env_lossy();
    let colour = std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    // The journal stamps its own times.
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour);
    if journal {
        let subscriber = subscriber.without_time().with_ansi(false);
        subscriber.finish().with(cap()).init();
    } else {
        subscriber.finish().with(cap()).init();
    }
}

/// What no choice of `KEYROTA_LOG` goes beyond. A filter of its own: among the directives of the
/// other one, `sqlx::query=trace` or `[request]=trace` would be the more specific and win.
pub fn cap() -> Targets {
    let quiet = QUIET.map(|name| (name, LevelFilter::WARN));
    let silent = SILENT.map(|name| (name, LevelFilter::OFF));
    Targets::new()
        .with_default(LevelFilter::TRACE)
        .with_targets(quiet)
        .with_targets(silent)
}

/// Says how a command failed, on standard error.
pub fn failure(cli: &Cli, failed: &Failed) {
    if failed.say.is_empty() {
        return;
    }
    if cli.global.json {
        let told =
            serde_json::json!({"schema_version": 1, "exit": failed.code, "error": failed.say});
        eprintln!("{told}");
    } else {
        eprintln!("keyrota: {}", failed.say);
    }
}
