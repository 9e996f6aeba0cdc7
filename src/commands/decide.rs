//! `confirm`, `resume`, `abandon`, `retire`: a person's decisions.

use clap::Args;
use keyrota_rotation::{Decision, Illegal};

use super::context::{Chosen, Context};
use super::engage::{Patience, actor, engage, lock_name, with};
use super::exit::{self, Failed};
use super::init;
use super::report::{self, Line, State};
use super::rotate;
use super::say::{print, print_json};
use crate::engine::copies;
use crate::engine::request::{self, Asked, Left};
use crate::engine::{Engine, EngineError, Stop};
use crate::state::{Held, Store};

/// A decision about one secret.
#[derive(Debug, Args)]
pub struct Named {
    /// The secret
    pub name: String,
    /// The reason, for the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Wait until the rotation ends
    #[arg(long)]
    pub wait: bool,
}

/// Options of `keyrota retire`.
#[derive(Debug, Args)]
pub struct Retire {
    /// The secret
    pub name: String,
    /// Revoke the old value now, even if programs still use it
    #[arg(long, required = true)]
    pub now: bool,
    /// The reason, for the audit log
    #[arg(long, value_name = "TEXT", required = true)]
    pub reason: String,
}

/// Ends a grace early.
pub fn retire(args: &Retire, context: &Context<'_>) -> Result<u8, Failed> {
    let named = Named {
        name: args.name.clone(),
        reason: Some(args.reason.clone()),
        wait: false,
    };
    run(&named, Decision::RetireNow, context)
}

/// Takes the decision; the exit code.
pub fn run(args: &Named, decision: Decision, context: &Context<'_>) -> Result<u8, Failed> {
    let chosen = context.choose(true)?;
    init::make_keys(&chosen)?;
    let keys = chosen.keys()?;
    context.block_on(async {
        let store = chosen.open_state(context.global, &keys).await?;
        let left = match store.held(&lock_name(&chosen.env.name)).await {
            Ok(Some(held)) => leave(args, decision, context, &chosen, &store, &held).await,
            Ok(None) => Ok(Leaving::Nobody),
            Err(why) => Err(why.into()),
        };
        store.close().await;
        let is_left = match left? {
            Leaving::Done => return Ok(exit::DONE),
            Leaving::Ended => true,
            Leaving::Nobody => false,
        };
        let engine = engage(context, chosen, Patience::None).await?;
        with(engine, async |engine| {
            let stop = if is_left {
                engine.take_request(&args.name).await?
            } else {
                decide(engine, args, decision).await?
            };
            let mut lines = match stop {
                Some(stop) => vec![Line::of_stop(&args.name, stop)],
                None => vec![resume_copies(engine, args, decision).await?],
            };
            if args.wait {
                rotate::follow(engine, &mut lines).await?;
            }
            report::report(engine, context, &mut lines).await
        })
        .await
    })
}

async fn decide(engine: &Engine, args: &Named, decision: Decision) -> Result<Option<Stop>, Failed> {
    let reason = args.reason.as_deref();
    match engine.decide(&args.name, decision, &actor(), reason).await {
        Err(EngineError::Illegal(illegal)) => Err(senseless(&args.name, &illegal)),
        decided => Ok(decided?.map(|(_, stop)| stop)),
    }
}

/// No rotation waits: what is left to a person may be the secret's copies.
async fn resume_copies(engine: &Engine, args: &Named, decision: Decision) -> Result<Line, Failed> {
    let looked = match decision {
        Decision::Resume => {
            let reason = args.reason.as_deref();
            engine.resume_copies(&args.name, &actor(), reason).await?
        }
        _ => None,
    };
    let looked = looked.ok_or_else(|| no_rotation(&args.name))?;
    Ok(Line {
        name: args.name.clone(),
        state: State::Copies(looked),
        accepted_until: None,
    })
}

/// What became of a decision that another process was to take up.
enum Leaving {
    /// It has it.
    Done,
    /// It ended without taking it up: the decision still lies there.
    Ended,
    /// No process is at work.
    Nobody,
}

fn has_copies(chosen: &Chosen, name: &str) -> bool {
    let secret = chosen.env.secrets.iter().find(|s| s.name == name);
    secret.is_some_and(|secret| copies::keys(secret).next().is_some())
}

fn no_rotation(name: &str) -> Failed {
    Failed::new(exit::USAGE, format!("no rotation of {name} is under way"))
}

fn senseless(name: &str, illegal: &Illegal) -> Failed {
    let phase = illegal.phase;
    Failed::new(
        exit::USAGE,
        format!(
            "{name}: the rotation is in phase {phase}, where this makes no sense; see keyrota status"
        ),
    )
}

/// A process is at work: the decision is left for it.
async fn leave(
    args: &Named,
    decision: Decision,
    context: &Context<'_>,
    chosen: &Chosen,
    store: &Store,
    held: &Held,
) -> Result<Leaving, Failed> {
    let asked = Asked {
        env: &chosen.env.name,
        secret: &args.name,
        decision,
        by: &actor(),
        reason: args.reason.as_deref(),
        copies: decision == Decision::Resume && has_copies(chosen, &args.name),
    };
    match request::leave(store, &chosen.holder(), asked, context.now()).await? {
        Left::Left => {}
        Left::NoRotation => return Err(no_rotation(&args.name)),
        Left::Illegal(illegal) => return Err(senseless(&args.name, &illegal)),
    }
    let lock = lock_name(&chosen.env.name);
    let mut result = "taken up by";
    while request::is_left(store, asked.env, asked.secret).await? {
        if store.held(&lock).await?.is_none() {
            return Ok(Leaving::Ended);
        }
        if !args.wait {
            result = "left for";
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    tell(context, &args.name, result, held)?;
    Ok(Leaving::Done)
}

fn tell(context: &Context<'_>, name: &str, result: &str, held: &Held) -> Result<(), Failed> {
    let Held { host, pid, .. } = held;
    if context.global.json {
        return print_json(&serde_json::json!({
            "schema_version": 1, "secret": name, "result": result, "host": host, "pid": pid,
        }));
    }
    print(&format!(
        "{name}  {result} the keyrota at work (pid {pid} on {host})\n"
    ))
}
