//! `confirm`, `resume`, `abandon`, `retire`: a person's decisions.

use clap::Args;
use keyrota_rotation::Decision;

use super::context::{Chosen, Context};
use super::engage::{Patience, actor, engage, lock_name};
use super::exit::{self, Failed};
use super::report::{self, Line};
use super::rotate;
use crate::engine::EngineError;
use crate::engine::request::{self, Asked};
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
        if let Some(held) = store.held(&lock_name(&chosen.env.name)).await? {
            return leave(args, decision, context, &chosen, &store, &held).await;
        }
        store.close().await;
        let engine = engage(context, chosen, Patience::None).await?;
        let decided = engine.decide(&args.name, decision, &actor(), args.reason.as_deref()).await;
        let (_, stop) = match decided {
            Ok(Some(decided)) => decided,
            Ok(None) => {
                return Err(Failed::new(exit::USAGE, format!("no rotation of {} is under way", args.name)));
            }
            Err(EngineError::Illegal(illegal)) => {
                return Err(Failed::new(
                    exit::USAGE,
                    format!("{}: the rotation is in phase {}, where this makes no sense; see keyrota status", args.name, illegal.phase),
                ));
            }
            Err(other) => return Err(other.into()),
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

/// A process is at work: the decision is left for it.
async fn leave(
    args: &Named,
    decision: Decision,
    context: &Context<'_>,
    chosen: &Chosen,
    store: &Store,
    held: &Held,
) -> Result<u8, Failed> {
    let asked = Asked {
        env: &chosen.env.name,
        secret: &args.name,
        decision,
        by: &actor(),
        reason: args.reason.as_deref(),
    };
    if !request::leave(store, &chosen.holder(), asked, context.now()).await? {
        return Err(Failed::new(
            exit::USAGE,
            format!("no rotation of {} is under way", args.name),
        ));
    }
    while args.wait && request::is_left(store, asked.env, asked.secret).await? {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    let taken = if args.wait { "taken up by" } else { "left for" };
    if context.global.json {
        println!(
            "{}",
            serde_json::json!({"schema_version": 1, "secret": args.name, "result": taken, "host": held.host, "pid": held.pid})
        );
    } else {
        println!(
            "{}  {taken} the keyrota at work (pid {} on {})",
            args.name, held.pid, held.host
        );
    }
    Ok(exit::DONE)
}
