//! What the subcommands of `keyrota audit` share: the log, its keys, signed notes.

use std::io::Read;
use std::path::PathBuf;

use crate::audit::{Actor, NewEntry, Phase, VerifyingKey};
use crate::commands::context::{Chosen, Context};
use crate::commands::engage::actor;
use crate::commands::exit::{self, Failed};
use crate::keys::Keys;
use crate::state::{Store, Written};

/// A file with public keys is shorter.
const KEYS_BYTES_MAX: u64 = 64 * 1024;

pub(super) const NO_LOG: &str = "there is no state here yet, and so no log";

/// Keeps a signed note outside the state.
pub(super) fn keep(store: &Store, chosen: &Chosen, note: &str) -> Result<(), Failed> {
    store.keep(&chosen.holder(), note).map_err(|e| {
        let at = chosen.checkpoints().unwrap_or_default();
        let (at, why) = (at.display(), e.kind());
        let said = format!("{at}: {why}; it was signed, and is kept in the state only");
        Failed::new(exit::TRANSIENT, said)
    })
}

/// The state, for reading; whoever holds its locks.
pub(super) async fn existing(chosen: &Chosen, context: &Context<'_>) -> Result<Store, Failed> {
    let store = chosen.read_state(context.global).await?;
    store.ok_or_else(|| Failed::config(NO_LOG))
}

/// The state, for adding to its log. None is made where none is.
pub(super) async fn writable(
    chosen: &Chosen,
    context: &Context<'_>,
    keys: &Keys,
) -> Result<Store, Failed> {
    existing(chosen, context).await?.close().await;
    chosen.open_state(context.global, keys).await
}

/// What a person did to the log, as an entry of it.
pub(super) fn entry(event: &'static str, chosen: &Chosen) -> NewEntry {
    let mut entry = NewEntry::new(event, Phase::Admin, Actor::operator(actor()));
    entry.object.env = Some(chosen.env.name.clone());
    entry
}

/// Appends it, and signs the log's new head.
pub(super) async fn note(
    store: &Store,
    chosen: &Chosen,
    context: &Context<'_>,
    entry: NewEntry,
) -> Result<Written, Failed> {
    let who = chosen.holder();
    let written = store.append_signed(&who, &[entry], context.now()).await?;
    if let Some(note) = &written.note {
        keep(store, chosen, note)?;
    }
    Ok(written)
}

/// The keys in a vkey, or in a file with one on each line.
pub(super) fn public_keys(given: &str) -> Result<Vec<VerifyingKey>, Failed> {
    if let Some(key) = VerifyingKey::parse(given) {
        return Ok(vec![key]);
    }
    let path = PathBuf::from(given);
    let at = path.display();
    let mut text = String::new();
    let read =
        std::fs::File::open(&path).and_then(|f| f.take(KEYS_BYTES_MAX).read_to_string(&mut text));
    read.map_err(|e| Failed::config(format!("{at}: not a public key, and no file: {}", e.kind())))?;
    let lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
    let keys: Option<Vec<_>> = lines.map(VerifyingKey::parse).collect();
    keys.filter(|keys| !keys.is_empty())
        .ok_or_else(|| Failed::config(format!("{at} is not what `keyrota audit pubkey` prints")))
}
