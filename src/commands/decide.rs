//! `confirm`, `resume`, `abandon`, `retire`: a person's decisions.

use clap::Args;
use keyrota_rotation::Decision;

use super::context::{Context, Patience, actor, engage};
use super::exit::{self, Failed};
use super::rotate::{self, Line};
use crate::engine::EngineError;

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
        let code = rotate::report(&engine, context, &mut lines).await?;
        engine.close().await?;
        Ok(code)
    })
}
