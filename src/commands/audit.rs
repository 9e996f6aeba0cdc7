//! `keyrota audit`: the log of what happened, and the proof that it is whole.

mod accept;
mod export;
mod list;
mod verify;

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::context::{Chosen, Context, own_keys};
use super::engage::actor;
use super::exit::{self, Failed};
use super::say::{print, print_json};
use crate::audit::{Actor, NewEntry, Phase, VerifyingKey};
use crate::keys::Keys;
use crate::state::{Store, Written};

/// Options of `keyrota audit`.
#[derive(Debug, Args)]
pub struct Audit {
    /// What to do with the log
    #[command(subcommand)]
    pub what: What,
}

/// The subcommands of `keyrota audit`.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Show entries: the last ones, or those from an entry on
    List(list::List),
    /// Prove that the log, or an export of it, is what was written
    Verify(verify::Verify),
    /// Sign the head of the log now; the note is printed, to be kept where keyrota cannot reach
    Checkpoint,
    /// Go on after a finding: record that a person accepts what is wrong with the log now, and sign
    Accept(accept::Accept),
    /// Print the public key that signs the log: hand it to whoever verifies
    Pubkey,
    /// Write the log into a directory that proves itself to whoever has the public key
    Export(export::Export),
}

/// A file with public keys is shorter.
const KEYS_BYTES_MAX: u64 = 64 * 1024;

const NO_LOG: &str = "there is no state here yet, and so no log";

/// Does it; the exit code.
pub fn run(args: &Audit, context: &Context<'_>) -> Result<u8, Failed> {
    match &args.what {
        What::List(list) => list::run(list, context),
        What::Verify(verify) => verify::run(verify, context),
        What::Checkpoint => checkpoint(context),
        What::Accept(accept) => accept::run(accept, context),
        What::Pubkey => pubkey(context),
        What::Export(export) => export::run(export, context),
    }
}

fn checkpoint(context: &Context<'_>) -> Result<u8, Failed> {
    let chosen = context.choose(true)?;
    let keys = chosen.keys()?;
    let directory = chosen.checkpoints().ok();
    context.block_on(async {
        let store = writable(&chosen, context, &keys).await?;
        let told = entry("audit.checkpoint", &chosen);
        let written = note(&store, &chosen, context, told).await;
        store.close().await;
        let Written { head, note } = written?;
        let note = note.ok_or_else(|| unread(directory.as_deref()))?;
        let key = VerifyingKey::new(head.chain, keys.public());
        if context.global.json {
            let answer = json!({"schema_version": 1, "note": note, "public_key": key.to_string(), "kept_in": directory});
            print_json(&answer)?;
        } else {
            print(&note)?;
        }
        Ok(exit::DONE)
    })
}

/// Keeps a signed note outside the state.
fn keep(store: &Store, chosen: &Chosen, note: &str) -> Result<(), Failed> {
    store.keep(&chosen.holder(), note).map_err(|e| {
        let at = chosen.checkpoints().unwrap_or_default();
        let (at, why) = (at.display(), e.kind());
        let said = format!("{at}: {why}; it was signed, and is kept in the state only");
        Failed::new(exit::TRANSIENT, said)
    })
}

fn unread(directory: Option<&Path>) -> Failed {
    let at = directory.unwrap_or(Path::new("checkpoints")).display();
    let said = format!("{at} cannot be read: nothing was signed");
    Failed::new(exit::TRANSIENT, said)
}

fn pubkey(context: &Context<'_>) -> Result<u8, Failed> {
    let chosen = context.choose(false)?;
    let keys = chosen.keys()?;
    context.block_on(async {
        let store = existing(&chosen, context).await?;
        own_keys(&store, &keys).await?;
        let key = VerifyingKey::new(store.head().await?.chain, keys.public());
        if context.global.json {
            print_json(&json!({"schema_version": 1, "public_key": key.to_string()}))?;
        } else {
            print(&format!("{key}\n"))?;
        }
        Ok(exit::DONE)
    })
}

/// The state, for reading; whoever holds its locks.
async fn existing(chosen: &Chosen, context: &Context<'_>) -> Result<Store, Failed> {
    let store = chosen.read_state(context.global).await?;
    store.ok_or_else(|| Failed::config(NO_LOG))
}

/// The state, for adding to its log. None is made where none is.
async fn writable(chosen: &Chosen, context: &Context<'_>, keys: &Keys) -> Result<Store, Failed> {
    existing(chosen, context).await?.close().await;
    chosen.open_state(context.global, keys).await
}

/// What a person did to the log, as an entry of it.
fn entry(event: &'static str, chosen: &Chosen) -> NewEntry {
    let mut entry = NewEntry::new(event, Phase::Admin, Actor::operator(actor()));
    entry.object.env = Some(chosen.env.name.clone());
    entry
}

/// Appends it, and signs the log's new head.
async fn note(
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
fn public_keys(given: &str) -> Result<Vec<VerifyingKey>, Failed> {
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
