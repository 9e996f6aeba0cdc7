//! `keyrota clock`: which time keyrota trusts.

use clap::Args;
use serde_json::json;

use super::context::{Chosen, Context, own_keys};
use super::engage::actor;
use super::exit::{self, Failed};
use super::progress::second;
use super::say;
use crate::audit::{self, Actor, NewEntry};
use crate::engine::clock::{self, Reading, accepted_fact, timestamp};
use crate::engine::watch_clock::{self, reading};
use crate::state::Store;

/// Options of `keyrota clock`.
#[derive(Debug, Args)]
#[command(
    after_help = "keyrota stores the trusted time with every commit. If the system clock is set while a rotation \
waits, the waits do not change: settle, grace and pauses follow the trusted time. keyrota trusts the \
system clock again when the clock of a Postgres state on another host agrees with it within a \
minute, when no rotation is under way and the clock is less than 32 days ahead, or when you accept \
it with --accept. The rest of each wait keeps its length.

Exit codes: 0, or 22 while the clocks differ."
)]
pub struct ClockArgs {
    /// Trust the system clock from now on
    #[arg(long, requires = "reason")]
    pub accept: bool,
    /// The reason, for the audit log
    #[arg(long, value_name = "TEXT", requires = "accept")]
    pub reason: Option<String>,
}

/// Does it; the exit code.
pub fn run(args: &ClockArgs, context: &Context<'_>) -> Result<u8, Failed> {
    let chosen = context.choose(args.accept)?;
    context.block_on(async {
        let Some(store) = chosen.read_state(context.global).await? else {
            say::print("nothing is recorded yet: the system clock is trusted\n")?;
            return Ok(exit::DONE);
        };
        let here = here(context, &chosen);
        if args.accept {
            let reason = args.reason.as_deref().unwrap_or_default();
            accept(context, &chosen, &here, reason).await?;
        }
        let store = match chosen.keys() {
            Ok(keys) if own_keys(&store, &keys).await.is_ok() => store.vouched(&keys, None),
            _ => store,
        };
        show(context, &chosen, &store, here).await
    })
}

/// What this host's clocks show.
pub fn here(context: &Context<'_>, chosen: &Chosen) -> Reading {
    reading(context.clock.as_ref(), &chosen.holder())
}

async fn accept(
    context: &Context<'_>,
    chosen: &Chosen,
    here: &Reading,
    reason: &str,
) -> Result<(), Failed> {
    let mut entry = NewEntry::new(
        "clock.accepted",
        audit::Phase::Admin,
        Actor::operator(actor()),
    )
    .reason(reason)
    .detail("wall_ms", here.wall_ms.to_string());
    entry.object.env = Some(chosen.env.name.clone());
    let (key, value) = (accepted_fact(&chosen.env.name), here.accepted().to_text());
    let store = chosen.open_state(context.global, &chosen.keys()?).await?;
    let who = chosen.holder();
    let left = store.ask(&who, &key, &value, &entry, context.now()).await;
    if let Ok(written) = &left {
        store.try_keep(&who, written.note.as_deref());
    }
    store.close().await;
    left?;
    Ok(())
}

async fn show(
    context: &Context<'_>,
    chosen: &Chosen,
    store: &Store,
    mut here: Reading,
) -> Result<u8, Failed> {
    let env = &chosen.env.name;
    let known = watch_clock::trusted(store, env).await?;
    let judged = watch_clock::judge(store, env, &mut here, known.as_ref()).await?;
    let skew = here.skew_ms(&judged.anchor);
    let trusted = timestamp(here.now_ms(&judged.anchor));
    let wall = timestamp(here.wall_ms);
    if context.global.json {
        say::print_json(&json!({
            "schema_version": 1,
            "environment": env,
            "system": second(wall),
            "trusted": second(trusted),
            "server": here.server_ms.map(|ms| second(timestamp(ms))),
            "ahead_seconds": skew.map(|ms| ms / 1000),
            "request": judged.unproven.then_some("unproven"),
        }))?;
    } else {
        say::print(&format!(
            "system clock  {}\ntrusted time  {}\n",
            second(wall),
            second(trusted)
        ))?;
        if let Some(ms) = skew {
            say::print(&format!("{}\n", differs(ms, env)))?;
        }
        if judged.unproven {
            say::print(&format!("{UNPROVEN}\n"))?;
        }
    }
    Ok(if skew.is_some() {
        exit::PERSON
    } else {
        exit::DONE
    })
}

/// A request that nothing proves here.
pub const UNPROVEN: &str = "A request to trust the system clock is stored, but this command has no keys to prove who left it. \
The next keyrota that changes something here checks it.";

/// What a difference means, and the next command.
pub fn differs(skew_ms: i64, env: &str) -> String {
    let span = say::span(skew_ms.unsigned_abs() / 1000);
    let side = if skew_ms > 0 { "ahead of" } else { "behind" };
    format!(
        "The system clock is {span} {side} the time that has provably passed; waits follow the latter.\n\
         If the system clock is right: keyrota --env {env} clock --accept --reason TEXT"
    )
}

/// The trusted time for a command that only looks, how far the system clock is from it, and whether a request to
/// trust that clock is left unproven.
pub async fn glance(
    context: &Context<'_>,
    chosen: &Chosen,
    store: &Store,
) -> Result<(jiff::Timestamp, Option<i64>, bool), Failed> {
    let mut here = here(context, chosen);
    let known = watch_clock::trusted(store, &chosen.env.name).await?;
    let judged = watch_clock::judge(store, &chosen.env.name, &mut here, known.as_ref()).await?;
    let now = clock::timestamp(here.now_ms(&judged.anchor));
    Ok((now, here.skew_ms(&judged.anchor), judged.unproven))
}
