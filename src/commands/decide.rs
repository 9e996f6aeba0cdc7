//! `confirm`, `resume`, `abandon`, `retire`: a person's decisions.

use clap::Args;
use keyrota_rotation::{Decision, Illegal};

use super::context::{Chosen, Context};
use super::engage::{Patience, actor, engage, lock_name};
use super::exit::{self, Failed};
use super::report::{self, Line};
use super::rotate;
use super::say::{print, print_json};
use crate::engine::EngineError;
use crate::engine::request::{self, Asked, Left};
use crate::state::{Held, Store};

/// A decision about one secret.
#[derive(Debug, Args)]
pub struct Named {
    /// The secret
    pub name: String,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Follow the rotation to its end
    #[arg(long)]
    pub wait: bool,
}

/// Options of `keyrota retire`.
#[derive(Debug, Args)]
pub struct Retire {
    /// The secret
    pub name: String,
    /// The old value dies now, whoever still uses it
    #[arg(long, required = true)]
    pub now: bool,
    /// Why, for the audit log
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
    context.block_on(async {
        let store = chosen.open_state(context.global).await?;
        let lock = lock_name(&chosen.env.name);
        let held = store.held(&lock).await?;
        if let Some(held) = &held
            && let Some(code) = leave(args, decision, context, &chosen, &store, held).await?
        {
            return Ok(code);
        }
        store.close().await;
        let engine = engage(context, chosen, Patience::None).await?;
        let stop = if held.is_some() {
            // Whoever held the lock ended without taking up what was left.
            engine.take_request(&args.name).await?
        } else {
            let by = actor();
            match engine
                .decide(&args.name, decision, &by, args.reason.as_deref())
                .await
            {
                Err(EngineError::Illegal(illegal)) => return Err(senseless(&args.name, &illegal)),
                decided => decided?.map(|(_, stop)| stop),
            }
        };
        let Some(stop) = stop else {
            return Err(no_rotation(&args.name));
        };
        let mut lines = vec![Line::of_stop(&args.name, stop)];
        if args.wait {
            rotate::follow(&engine, &mut lines).await?;
        }
        let code = report::report(&engine, context, &mut lines).await?;
        engine.close().await?;
        Ok(code)
    })
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

/// A process is at work: the decision is left for it. `None`: it ended without taking it up.
async fn leave(
    args: &Named,
    decision: Decision,
    context: &Context<'_>,
    chosen: &Chosen,
    store: &Store,
    held: &Held,
) -> Result<Option<u8>, Failed> {
    let asked = Asked {
        env: &chosen.env.name,
        secret: &args.name,
        decision,
        by: &actor(),
        reason: args.reason.as_deref(),
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
            return Ok(None);
        }
        if !args.wait {
            result = "left for";
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    tell(context, &args.name, result, held)?;
    Ok(Some(exit::DONE))
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
