//! `keyrota audit accept`: a person goes on after a finding, and the log says so.

use clap::Args;
use serde_json::json;

use super::log::{entry, keep};
use crate::commands::context::Context;
use crate::commands::exit::{self, Failed};
use crate::commands::say::{print, print_json};
use crate::state::ACCEPTED;

/// Options of `keyrota audit accept`.
#[derive(Debug, Args)]
#[command(
    after_help = "keyrota stops changing anything if its log failed verification or its state is older than a \
checkpoint. First save a copy of the state and of the checkpoints as evidence. The new entry holds \
digests of all current findings. `audit verify` then ignores exactly these findings, and reports \
them again if anything about them changes."
)]
pub struct Accept {
    /// The reason, for the audit log
    #[arg(long, value_name = "TEXT", required = true)]
    pub reason: String,
}

/// Does it; the exit code.
pub fn run(args: &Accept, context: &Context<'_>) -> Result<u8, Failed> {
    let chosen = context.choose(true)?;
    let keys = chosen.keys()?;
    context.block_on(async {
        let store = chosen.open_unproven(context.global, &keys).await?;
        let told = entry(ACCEPTED, &chosen).reason(&args.reason);
        let who = chosen.holder();
        let accepted = store
            .accept(&who, told, context.now())
            .await;
        let kept = match &accepted {
            Ok(Some(accepted)) => keep(&store, &chosen, &accepted.note),
            _ => Ok(()),
        };
        store.close().await;
        let Some(accepted) = accepted? else {
            if context.global.json {
                print_json(&json!({"schema_version": 1, "accepted": false}))?;
            } else {
                print("nothing is wrong with the log: nothing was accepted\n")?;
            }
            return Ok(exit::DONE);
        };
        kept?;
        if context.global.json {
            let (entry, findings) = (accepted.seq, accepted.findings);
            print_json(&json!({"schema_version": 1, "accepted": true, "entry": entry, "findings": findings}))?;
        } else {
            print(&format!(
                "entry {} accepts what is wrong before it ({} findings, and checkpoints that do not fit); it is signed\n",
                accepted.seq, accepted.findings
            ))?;
        }
        Ok(exit::DONE)
    })
}
