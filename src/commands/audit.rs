//! `keyrota audit`: the log of what happened, and the proof that it is whole.

mod accept;
mod export;
mod list;
mod log;
mod verify;

use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::json;

use super::context::{Context, own_keys};
use super::exit::{self, Failed};
use super::say::{print, print_json};
use crate::audit::VerifyingKey;
use crate::state::Written;
use log::{entry, existing, note, writable};

/// Options of `keyrota audit`.
#[derive(Debug, Args)]
pub struct Audit {
    /// The action
    #[command(subcommand)]
    pub what: What,
}

/// The subcommands of `keyrota audit`.
#[derive(Debug, Subcommand)]
pub enum What {
    /// Show entries: the last ones, or those from an entry on
    List(list::List),
    /// Verify that nobody changed the log, or an export of it
    Verify(verify::Verify),
    /// Sign the head of the log and print the signed note; store it where keyrota cannot change it
    Checkpoint,
    /// Accept the findings of a verification: record them in the log, and sign it
    Accept(accept::Accept),
    /// Print the public key that signs the log; auditors need it
    Pubkey,
    /// Export the log into a directory that can be verified with the public key
    Export(export::Export),
}

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
