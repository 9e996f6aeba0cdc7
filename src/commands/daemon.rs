//! `keyrota daemon`: follows the schedules.

mod pulse;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use clap::Args;
use sd_notify::NotifyState;

use super::context::Context;
use super::engage::{Patience, engage_watched};
use super::exit::{self, Failed};
use super::{progress, rotate};
use crate::engine::daemon::{TICK_MAX, Tick};
use crate::engine::{Engine, EngineError};
use crate::state::StateError;
use pulse::{Pulse, tell};

/// Options of `keyrota daemon`.
#[derive(Debug, Args)]
#[command(
    after_help = "Rotates secrets when their schedules say so, until SIGTERM or SIGINT. On a signal it finishes the \
current step and stops; the next start resumes the rest. Every fifteen minutes it checks the copies \
of secrets and repairs those that another tool changed. Supports the notify protocol of systemd."
)]
pub struct Daemon {}

/// Runs until it is told to end.
pub fn run(_: &Daemon, context: &Context<'_>) -> Result<u8, Failed> {
    let host = context.host()?;
    let dir = context.schedules(&host);
    if context.global.env.is_empty() {
        return Err(Failed::config(
            "say which environments this daemon follows: --env NAME, once for each",
        ));
    }
    let names: BTreeSet<_> = context.global.env.iter().collect();
    let chosen: Vec<_> = names
        .into_iter()
        .map(|name| context.load(&dir, host.clone(), name.clone()))
        .collect::<Result<_, _>>()?;
    context.block_on(async {
        let stop = rotate::stop_on_signal();
        let pulse = Arc::new(Pulse::new());
        let mut engines = Vec::new();
        for one in chosen {
            let engaged = engage_watched(context, one, Patience::None, pulse.clone(), stop.clone());
            let engine = pulse.during(engaged).await?;
            engine.note("daemon.start").await?;
            engines.push(engine);
        }
        let mut ready = false;
        let ended = loop {
            let tick = match pulse.during(look(&engines)).await {
                Ok(tick) => tick,
                // The state may come back; the lock is still ours, or the next look will tell.
                Err(EngineError::State(e)) if e.is_transient() || matches!(e, StateError::Full | StateError::Io | StateError::ReadOnly) => {
                    tracing::error!(why = %e, "the state failed: nothing is begun until it works again");
                    tell(&[NotifyState::Status(&format!("degraded: {e}"))]);
                    Tick::default()
                }
                Err(why) => break Err(why.into()),
            };
            if !ready {
                tell(&[NotifyState::Ready]);
                ready = true;
            }
            tell(&[NotifyState::Watchdog, NotifyState::Status(&status(&tick))]);
            if stop.load(Ordering::SeqCst) {
                break Ok(exit::DONE);
            }
            pulse.during(sleep(context, &tick, &stop)).await;
        };
        tell(&[NotifyState::Stopping]);
        for engine in engines {
            if ended.is_ok() {
                engine.note("daemon.stop").await?;
            }
            engine.close().await?;
        }
        ended
    })
}

async fn look(engines: &[Engine]) -> Result<Tick, EngineError> {
    let mut all = Tick::default();
    for engine in engines {
        let tick = engine.tick().await?;
        all.next = [all.next, tick.next].into_iter().flatten().min();
        all.under_way += tick.under_way;
        all.clock_skew_ms = all.clock_skew_ms.or(tick.clock_skew_ms);
        let env = &engine.env().name;
        all.need_person.extend(
            tick.need_person
                .into_iter()
                .map(|name| format!("{env}/{name}")),
        );
    }
    Ok(all)
}

async fn sleep(context: &Context<'_>, tick: &Tick, stop: &std::sync::atomic::AtomicBool) {
    let until = tick.next.map(|next| next.duration_since(context.now()));
    let left = until.and_then(|d| std::time::Duration::try_from(d).ok());
    let mut left = left.unwrap_or(TICK_MAX).clamp(SLICE, TICK_MAX);
    while !left.is_zero() && !stop.load(Ordering::SeqCst) {
        let slice = left.min(SLICE);
        tokio::time::sleep(slice).await;
        left -= slice;
    }
}

/// How soon a signal to end is heard.
const SLICE: std::time::Duration = std::time::Duration::from_millis(200);

fn status(tick: &Tick) -> String {
    let next = tick.next.map_or_else(
        || "nothing planned".to_owned(),
        |next| format!("next at {}", progress::second(next)),
    );
    let mut text = format!("{} rotations under way, {next}", tick.under_way);
    if tick.clock_skew_ms.is_some() {
        text.push_str("; the system clock is in doubt: keyrota clock");
    }
    if !tick.need_person.is_empty() {
        text.push_str(&format!(
            "; a person is needed: {}",
            tick.need_person.join(", ")
        ));
    }
    text
}
