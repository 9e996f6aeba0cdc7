//! Taking an environment: its lock, its keys, its state, its providers.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::context::{Chosen, Context};
use super::exit::Failed;
use super::home::DEVELOPMENT;
use super::lasting;
use super::progress;
use crate::engine::providers::Providers;
use crate::engine::{Engine, Surroundings, Watch};
use crate::keys::Keys;
use crate::state::{Location, Store};
use crate::world::SystemEntropy;

/// How long to wait for another process's lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Not at all.
    None,
    /// Until it is free.
    Wait,
}

/// Takes the environment: its lock, its keys, its state, its providers.
pub async fn engage(
    context: &Context<'_>,
    chosen: Chosen,
    patience: Patience,
) -> Result<Engine, Failed> {
    engage_watched(
        context,
        chosen,
        patience,
        progress::terminal(),
        Arc::default(),
    )
    .await
}

/// The same, with somebody else watching, and a flag that stops it.
pub async fn engage_watched(
    context: &Context<'_>,
    chosen: Chosen,
    patience: Patience,
    watch: Arc<dyn Watch>,
    stop: Arc<AtomicBool>,
) -> Result<Engine, Failed> {
    super::init::make_keys(&chosen)?;
    let keys = chosen.keys()?;
    let mut providers = chosen.providers()?;
    providers.locks = program_locks(context, &chosen)?;
    let checkpoints = chosen.checkpoints()?;
    if chosen.env.name != DEVELOPMENT {
        let location = chosen.location(context.global)?;
        let state = match &location {
            Location::Sqlite(path) => Some(("the state", path.as_path())),
            Location::Postgres(_) => None,
        };
        let documents = providers.files.values().map(|f| ("the document", f.path()));
        let checkpoints = ("the checkpoints' directory", checkpoints.as_path());
        lasting::warn(state.into_iter().chain(documents).chain([checkpoints]));
    }
    let store = chosen.open_state(context.global, &keys).await?;
    let around = Surroundings {
        clock: context.clock.clone(),
        entropy: Box::new(SystemEntropy),
        stop,
        watch,
    };
    let taken = take(store.clone(), chosen, keys, providers, patience, around).await;
    if taken.is_err() {
        // Also then nothing is left beside the database: it may be copied, or put back.
        store.close().await;
    }
    taken
}

/// Does `work` and gives the environment back, also where the work failed: its lock is free then,
/// and nothing is left beside the database.
pub async fn with<T>(
    engine: Engine,
    work: impl AsyncFnOnce(&Engine) -> Result<T, Failed>,
) -> Result<T, Failed> {
    let done = work(&engine).await;
    let closed = engine.close().await;
    let done = done?;
    closed?;
    Ok(done)
}

/// Where programs that change a secret are locked: beside the state, if only this host has it.
fn program_locks(context: &Context<'_>, chosen: &Chosen) -> Result<Option<PathBuf>, Failed> {
    let mut secrets = chosen.env.secrets.iter();
    let has_program = secrets.any(|s| s.facts.program.is_some());
    let (Location::Sqlite(state), true) = (chosen.location(context.global)?, has_program) else {
        return Ok(None);
    };
    let locks = state.with_file_name("programs");
    let made = DirBuilder::new().mode(0o700).recursive(true).create(&locks);
    made.map_err(|e| Failed::config(format!("{}: {}", locks.display(), e.kind())))?;
    Ok(Some(locks))
}

async fn take(
    store: Store,
    chosen: Chosen,
    keys: Keys,
    providers: Providers,
    patience: Patience,
    around: Surroundings,
) -> Result<Engine, Failed> {
    let (name, holder) = (lock_name(&chosen.env.name), chosen.holder());
    let clock = around.clock.clone();
    let now_ms = || clock.now().as_millisecond();
    let lock = match patience {
        Patience::None => store.lock(&name, &holder, now_ms()).await?,
        Patience::Wait => {
            let poll = Duration::from_millis(200);
            store.lock_wait(&name, &holder, &now_ms, poll, None).await?
        }
    };
    let engine = Engine::new(chosen.env, store, lock, keys, providers, around).await?;
    engine.settle_in().await?;
    Ok(engine)
}

/// The lock of an environment.
pub fn lock_name(env: &str) -> String {
    format!("env/{env}")
}

/// Who runs this command, for the log: `uid:1000`, or `uid:0 (claims SUDO_USER=alice)`.
pub fn actor() -> String {
    let uid = rustix::process::getuid().as_raw();
    actor_of(uid, |name| std::env::var(name).ok())
}

/// The kernel proves the uid. A variable proves nothing: any process can set it before it starts keyrota.
fn actor_of(uid: u32, variable: impl Fn(&str) -> Option<String>) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let sound = |name: &String| (1..=64).contains(&name.len()) && name.chars().all(allowed);
    let claimed = ["SUDO_USER", "USER"]
        .into_iter()
        .find_map(|key| Some((key, variable(key).filter(sound)?)));
    match claimed {
        Some((key, name)) => format!("uid:{uid} (claims {key}={name})"),
        None => format!("uid:{uid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_never_shown_as_proven() {
        let long = "a".repeat(65);
        let table = [
            (None, None, "uid:7"),
            (None, Some("alice"), "uid:7 (claims USER=alice)"),
            (Some("root"), Some("alice"), "uid:7 (claims SUDO_USER=root)"),
            (Some(""), Some("alice"), "uid:7 (claims USER=alice)"),
            (Some("a) uid:0"), None, "uid:7"),
            (Some("a\nb"), Some("\u{202e}c"), "uid:7"),
            (Some(long.as_str()), None, "uid:7"),
        ];
        for (sudo, user, said) in table {
            let variable = |name: &str| match name {
                "SUDO_USER" => sudo.map(str::to_owned),
                _ => user.map(str::to_owned),
            };
            assert_eq!(actor_of(7, variable), said);
        }
    }
}
