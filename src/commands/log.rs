//! What goes to standard error: diagnostics, and how a command failed.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::exit::Failed;
use super::{Cli, Command};
use crate::{output, wire};

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
    let colour = output::notes_have_colour();
    // The journal stamps its own times.
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| output::Log)
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

/// Says what is wrong with the command line, or answers with help or the version.
pub fn usage(error: &clap::Error) {
    let text = error.render();
    // Nothing can be said if even this cannot be printed.
    match (
        error.use_stderr(),
        output::notes_have_colour(),
        output::answers_have_colour(),
    ) {
        (true, true, _) => output::coloured_note(&text.ansi().to_string()),
        (true, false, _) => output::note(&text.to_string()),
        (false, _, true) => drop(output::coloured_answer(&text.ansi().to_string())),
        (false, _, false) => drop(output::answer(&text.to_string())),
    }
}

/// Says how a command failed, on standard error.
pub fn failure(cli: &Cli, failed: &Failed) {
    if failed.say.is_empty() {
        return;
    }
    if cli.global.json {
        let told =
            serde_json::json!({"schema_version": 1, "exit": failed.code, "error": failed.say});
        output::json_note(&format!("{told}\n"));
    } else {
        output::note(&format!("keyrota: {}\n", failed.say));
    }
}

/// From here on a panic says where it is. Its message may quote a value, unless it was written down in the code.
pub fn panics() {
    std::panic::set_hook(Box::new(|panic| {
        if wire::driving() {
            return;
        }
        let place = panic.location().map(ToString::to_string);
        let message = panic.payload().downcast_ref::<&'static str>();
        output::note(&format!(
            "keyrota: a mistake in the program ended this step at {}: {}\n",
            place.as_deref().unwrap_or("an unknown place"),
            message.unwrap_or(&"its message is not printed, since it may quote a value"),
        ));
    }));
}
