//! `keyrota rotate`: now.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{ArgGroup, Args};
use jiff::Timestamp;
use keyrota_contract::SecretValue;
use keyrota_rotation::Time;

use super::context::Context;
use super::engage::{Patience, actor, engage_watched, with};
use super::exit::{self, Failed};
use super::handed;
use super::progress;
use super::report::{self, Line, State, report};
use crate::config::model::Secret;
use crate::engine::daemon::Turn;
use crate::engine::{Begin, Engine, EngineError, Given, NotBegun, Order, Stop};
use crate::output;
use crate::turns::{self, Due};

/// Options of `keyrota rotate`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["names", "all", "due"]))]
pub struct Rotate {
    /// The secrets to rotate
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Rotate every secret that keyrota can create; list the others as skipped
    #[arg(long)]
    pub all: bool,
    /// Rotate every secret that is due; check and repair the copies of the others
    #[arg(long)]
    pub due: bool,
    /// Check whether a rotation could run; change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Wait until the rotation ends, grace included, and for another keyrota that is running
    #[arg(long)]
    pub wait: bool,
    /// The reason, for the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Rotate also outside the window and during a blackout
    #[arg(long, requires = "reason")]
    pub force: bool,
    /// Read the new value from standard input, for secrets that only their issuer creates; on a terminal, ask without echo
    #[arg(long, conflicts_with_all = ["all", "due"])]
    pub value_stdin: bool,
    /// The old value is compromised: skip settle and grace
    #[arg(long, requires = "accept_invalidation", requires = "reason")]
    pub compromised: bool,
    /// Accept that programs which still use the old value may fail
    #[arg(long, requires = "compromised")]
    pub accept_invalidation: bool,
}

/// Does it; the exit code.
pub fn run(args: &Rotate, context: &Context<'_>) -> Result<u8, Failed> {
    if args.value_stdin && args.names.len() != 1 {
        return Err(Failed::new(
            exit::USAGE,
            "--value-stdin gives the value of one secret: name exactly one",
        ));
    }
    let given = if args.value_stdin {
        args.names
            .first()
            .map(|name| handed::value(name))
            .transpose()?
    } else {
        None
    };
    let chosen = context.choose(true)?;
    if let Some(unknown) = args
        .names
        .iter()
        .find(|n| chosen.env.secrets.iter().all(|s| s.name != **n))
    {
        return Err(Failed::config(format!(
            "the schedule of {} has no secret {unknown:?}",
            chosen.env.name
        )));
    }
    let patience = if args.wait {
        Patience::Wait
    } else {
        Patience::None
    };
    context.block_on(async {
        let stop = stop_on_signal();
        let engine = engage_watched(
            context,
            chosen,
            patience,
            progress::terminal(),
            stop.clone(),
        )
        .await?;
        with(engine, async |engine| {
            let mut lines = Vec::new();
            take_requests(engine, &mut lines).await?;
            begin_all(engine, args, given.as_ref(), context, &mut lines).await?;
            if args.wait {
                follow(engine, &mut lines).await?;
            }
            take_requests(engine, &mut lines).await?;
            report(engine, context, &mut lines).await
        })
        .await
    })
}

async fn begin_all(
    engine: &Engine,
    args: &Rotate,
    given: Option<&SecretValue>,
    context: &Context<'_>,
    lines: &mut Vec<Line>,
) -> Result<(), Failed> {
    for secret in &engine.env().secrets {
        let state = match begin(engine, secret, args, given, context.now()).await {
            Ok(None) => continue,
            Ok(Some(state)) => state,
            Err(why) => one_failed(why)?,
        };
        lines.retain(|line| line.name != secret.name);
        lines.push(Line {
            name: secret.name.clone(),
            state,
            accepted_until: args
                .compromised
                .then(|| accepted_until(secret, context.now())),
        });
    }
    Ok(())
}

/// One secret's error, the others still have their turn; or one of the state, which ends all.
fn one_failed(why: EngineError) -> Result<State, Failed> {
    let of_state = why.is_of_state();
    let failed = Failed::from(why);
    if of_state {
        return Err(failed);
    }
    Ok(State::Failed(failed))
}

/// Begins one secret's rotation, or goes on with it; `None` if it was not asked for.
async fn begin(
    engine: &Engine,
    secret: &Secret,
    args: &Rotate,
    given: Option<&SecretValue>,
    now: Timestamp,
) -> Result<Option<State>, EngineError> {
    let turn = match args.due {
        true => engine.due(secret).await?,
        false => None,
    };
    let (store, env) = (engine.store(), &engine.env().name);
    let under_way = store.open_rotation(env, &secret.name).await?.is_some();
    let named = args.names.contains(&secret.name);
    // What was begun is nobody else's to end where no daemon runs.
    let due = args.due && (under_way || matches!(turn, Some(Turn::Person)));
    let turn = match turn {
        Some(Turn::Due(Due::Now(turn))) => Some(turn.civil),
        _ => None,
    };
    if !(args.all || named || due || turn.is_some()) {
        if args.dry_run || !args.due {
            return Ok(None);
        }
        // As the daemon does: what has no turn may have copies that are not as they have to be.
        let looked = engine.look_at_copies(&secret.name).await?;
        return Ok(looked.filter(|l| !l.is_quiet()).map(State::Copies));
    }
    let closed = closed_until(engine, secret, now).filter(|_| !under_way);
    Ok(Some(match closed {
        _ if args.dry_run && args.all && !secret.is_minted() => State::Skipped(unminted(secret)),
        _ if args.dry_run && !secret.is_minted() && given.is_none() => {
            State::Refused(unminted(secret))
        }
        _ if args.dry_run => State::DryRun(engine.dry_run(&secret.name).await?),
        _ if due && !under_way => match engine.look_at_copies(&secret.name).await? {
            Some(looked) if !looked.is_quiet() => State::Copies(looked),
            _ => State::Skipped(NotBegun::Failing),
        },
        Some(until) if !args.force => State::Closed(until),
        _ => {
            let order = Order {
                trigger: if args.due { "schedule" } else { "command" },
                reason: args.reason.as_deref(),
                actor: &actor(),
                turn,
                compromised: args.compromised,
                forced: closed.is_some(),
                given: given.map(|value| Given { value, kid: None }),
            };
            match engine.rotate(&secret.name, &order).await? {
                Begin::Drive { stop, .. } => State::Stopped(stop),
                Begin::Not(why) if named => State::Refused(why),
                Begin::Not(why) => State::Skipped(why),
            }
        }
    }))
}

/// Why it does not.
fn unminted(secret: &Secret) -> NotBegun {
    match secret.facts.rotates() {
        false => NotBegun::External,
        true => NotBegun::Imported,
    }
}

/// Until when a verifier may still hold what it read before `now`.
fn accepted_until(secret: &Secret, now: Timestamp) -> Timestamp {
    let cached = secret.facts.published_max_age.max(secret.waits.refresh);
    now.checked_add(cached.saturating_add(secret.waits.skew))
        .unwrap_or(Timestamp::MAX)
}

/// Until when the secret's window is closed now, if it is.
fn closed_until(engine: &Engine, secret: &Secret, now: Timestamp) -> Option<Timestamp> {
    let window = secret
        .turn
        .window
        .and_then(|w| turns::Window::new(w.from, w.to));
    let blackouts: Vec<_> = secret
        .turn
        .blackouts
        .iter()
        .filter_map(|b| turns::Blackout::new(b.from, b.to))
        .collect();
    match turns::gate(window, &blackouts, &engine.env().timezone, now) {
        turns::Gate::Allowed => None,
        turns::Gate::Closed { until } => Some(until),
    }
}

/// Takes up what people decided while this process held the lock.
async fn take_requests(engine: &Engine, lines: &mut Vec<Line>) -> Result<(), Failed> {
    for secret in &engine.env().secrets {
        let told = lines.iter().position(|line| line.name == secret.name);
        // What failed is for a person, and not for two tries a second.
        if told.is_some_and(|at| matches!(lines[at].state, State::Failed(_))) {
            continue;
        }
        let state = match engine.take_request(&secret.name).await {
            Ok(None) => continue,
            Ok(Some(stop)) => State::Stopped(stop),
            Err(why) => one_failed(why)?,
        };
        match told {
            Some(at) => lines[at].state = state,
            None if matches!(state, State::Failed(_)) => lines.push(Line {
                name: secret.name.clone(),
                state,
                accepted_until: None,
            }),
            None => {}
        }
    }
    Ok(())
}

/// How often the clocks are judged again, in milliseconds.
const CLOCK_EVERY_MS: i64 = 60_000;

/// Drives everything that waits to its end. A needed confirmation, or a person, ends it.
pub async fn follow(engine: &Engine, lines: &mut Vec<Line>) -> Result<(), Failed> {
    let mut told = BTreeMap::new();
    let mut looked = engine.now();
    loop {
        engine.keep_lock().await?;
        let mut moved = false;
        if engine.now().0.saturating_sub(looked.0) >= CLOCK_EVERY_MS {
            moved = engine.watch_clock().await?;
            looked = engine.now();
        }
        take_requests(engine, lines).await?;
        let mut next: Option<Time> = None;
        for line in lines.iter_mut() {
            let State::Stopped(Stop::Wait { until } | Stop::Retry { until }) = line.state else {
                continue;
            };
            if until <= engine.now() || moved {
                match engine.go_on(&line.name).await {
                    Ok(Some((_, stop))) => line.state = State::Stopped(stop),
                    Ok(None) => {}
                    Err(why) => line.state = one_failed(why)?,
                }
            }
            if let State::Stopped(stop @ Stop::Retry { .. }) = line.state {
                // Nobody waits in silence for what fails again and again; each sentence is said once.
                let note = report::note(engine, &line.name, stop).await?;
                let why = note.split("; tried again").next().map(str::to_owned);
                if told.insert(line.name.clone(), why.clone()) != Some(why) {
                    output::note(&format!("{}: {note}\n", line.name));
                }
            }
            if let State::Stopped(Stop::Wait { until } | Stop::Retry { until }) = line.state {
                next = Some(next.map_or(until, |n| n.min(until)));
            }
        }
        let Some(next) = next else { return Ok(()) };
        if engine.stopping() {
            return Ok(());
        }
        // Never one long sleep: a machine that sleeps, or a clock that is set, makes it wrong.
        let left = next.0.saturating_sub(engine.now().0).clamp(0, 500);
        tokio::time::sleep(Duration::from_millis(left.unsigned_abs())).await;
    }
}

/// A flag that is set when the process is told to end.
pub fn stop_on_signal() -> Arc<AtomicBool> {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = Arc::new(AtomicBool::new(false));
    handed::ends_itself();
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let Ok(mut signals) = signal(kind) else {
            continue;
        };
        let stop = stop.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                stop.store(true, Ordering::SeqCst);
            }
        });
    }
    stop
}
