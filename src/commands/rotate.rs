//! `keyrota rotate`: now.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{ArgGroup, Args};
use jiff::Timestamp;
use keyrota_contract::SecretValue;
use keyrota_rotation::Time;
use serde_json::json;

use super::context::{Context, Patience, actor, engage_watched};
use super::exit::{self, Failed};
use super::progress;
use crate::config::model::Secret;
use crate::engine::daemon::Turn;
use crate::engine::{Begin, Engine, NotBegun, Order, Stop};
use crate::turns::{self, Due};

/// Options of `keyrota rotate`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["names", "all", "due"]))]
pub struct Rotate {
    /// The secrets
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Every secret that keyrota can mint; the others are named as skipped
    #[arg(long)]
    pub all: bool,
    /// Every secret whose turn has come
    #[arg(long)]
    pub due: bool,
    /// Only look whether it could be done; nothing is changed
    #[arg(long)]
    pub dry_run: bool,
    /// Follow to the end, grace included, and wait for another keyrota that is at work here
    #[arg(long)]
    pub wait: bool,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Also outside its window and in a blackout
    #[arg(long, requires = "reason")]
    pub force: bool,
    /// Take the new value from standard input, for kinds that only their issuer makes
    #[arg(long, conflicts_with_all = ["all", "due"])]
    pub value_stdin: bool,
    /// The old value is in wrong hands: no settle and no grace
    #[arg(long, requires = "accept_invalidation", requires = "reason")]
    pub compromised: bool,
    /// What still relies on the old value may fail
    #[arg(long, requires = "compromised")]
    pub accept_invalidation: bool,
}

/// What became of one secret.
#[derive(Debug)]
pub struct Line {
    name: String,
    state: State,
}

#[derive(Debug)]
enum State {
    Stopped(Stop),
    Skipped(NotBegun),
    Closed(Timestamp),
    DryRun(Result<(), &'static str>),
    Failed(Failed),
}

impl Line {
    /// Of a rotation that stopped.
    pub fn of_stop(name: &str, stop: Stop) -> Self {
        Self {
            name: name.to_owned(),
            state: State::Stopped(stop),
        }
    }
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
        Some(read_value()?)
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
        let mut lines = begin_all(&engine, args, given.as_ref(), context).await?;
        if args.wait {
            follow(&engine, &mut lines).await?;
        }
        let code = report(&engine, context, &mut lines).await?;
        engine.close().await?;
        Ok(code)
    })
}

async fn begin_all(
    engine: &Engine,
    args: &Rotate,
    given: Option<&SecretValue>,
    context: &Context<'_>,
) -> Result<Vec<Line>, Failed> {
    let by = actor();
    let now = context.now();
    let mut lines = Vec::new();
    for secret in &engine.env().secrets {
        let turn = if args.due {
            due_turn(engine, secret).await?
        } else {
            None
        };
        let meant = args.all || turn.is_some() || args.names.contains(&secret.name);
        if !meant {
            continue;
        }
        let state = match closed_until(engine, secret, now) {
            _ if args.dry_run => State::DryRun(engine.dry_run(&secret.name).await?),
            Some(until) if !args.force => State::Closed(until),
            _ => {
                let order = Order {
                    trigger: if args.due { "schedule" } else { "command" },
                    reason: args.reason.as_deref(),
                    actor: &by,
                    turn,
                    compromised: args.compromised,
                    given,
                };
                match engine.rotate(&secret.name, &order).await {
                    Ok(Begin::Drive { stop, .. }) => State::Stopped(stop),
                    Ok(Begin::Not(why)) => State::Skipped(why),
                    Err(why @ crate::engine::EngineError::State(_)) => return Err(why.into()),
                    // One secret's provider fails: the others still have their turn.
                    Err(why) => State::Failed(why.into()),
                }
            }
        };
        lines.push(Line {
            name: secret.name.clone(),
            state,
        });
    }
    Ok(lines)
}

async fn due_turn(
    engine: &Engine,
    secret: &Secret,
) -> Result<Option<jiff::civil::DateTime>, Failed> {
    Ok(match engine.due(secret).await? {
        Some(Turn::Due(Due::Now(turn))) => Some(turn.civil),
        _ => None,
    })
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

/// Drives everything that waits to its end. A needed confirmation, or a person, ends it.
pub async fn follow(engine: &Engine, lines: &mut [Line]) -> Result<(), Failed> {
    loop {
        let mut next: Option<Time> = None;
        for line in lines.iter_mut() {
            let State::Stopped(Stop::Wait { until } | Stop::Retry { until }) = line.state else {
                continue;
            };
            if until <= engine.now() {
                if let Some((_, stop)) = engine.go_on(&line.name).await? {
                    line.state = State::Stopped(stop);
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

/// Says what became of each secret; the exit code.
pub async fn report(
    engine: &Engine,
    context: &Context<'_>,
    lines: &mut [Line],
) -> Result<u8, Failed> {
    let mut codes = Vec::new();
    let mut told = Vec::new();
    for line in lines.iter() {
        let row = engine
            .store()
            .rotations(&engine.env().name, &line.name, 1)
            .await?
            .into_iter()
            .next();
        let phase = row.as_ref().map(|r| r.phase.clone());
        let phase = phase.as_deref();
        let (code, result, note) = match &line.state {
            State::Stopped(stop) => {
                let code = exit::of_stop(*stop, phase);
                (
                    code,
                    stop_word(*stop),
                    stop_note(*stop, phase, row.as_ref()),
                )
            }
            State::Skipped(why) => (
                if *why == NotBegun::Absent {
                    exit::CONFIG
                } else {
                    exit::DONE
                },
                "skipped",
                Some(why.advice().to_owned()),
            ),
            State::Closed(until) => (
                exit::WAITING,
                "closed",
                Some(format!(
                    "outside its window until {until}; --force --reason starts it now"
                )),
            ),
            State::DryRun(Ok(())) => (exit::DONE, "can-rotate", None),
            State::DryRun(Err(why)) => (exit::ABANDONED, "cannot-rotate", Some((*why).to_owned())),
            State::Failed(failed) => (failed.code, "failed", Some(failed.say.clone())),
        };
        codes.push(code);
        told.push((line.name.as_str(), code, result, note, row));
    }
    let code = exit::worst(codes);
    if context.global.json {
        let results: Vec<_> = told
            .iter()
            .map(|(name, code, result, note, row)| {
                let begun = matches!(*result, "rotated" | "abandoned" | "waiting" | "retrying" | "confirm" | "stuck" | "interrupted");
                json!({
                    "secret": name, "result": result, "exit": code, "note": note,
                    "phase": row.as_ref().filter(|_| begun).map(|r| r.phase.as_str()),
                    "rotation": row.as_ref().filter(|_| begun).map(|r| r.id.to_string()),
                    "version": row.as_ref().filter(|_| begun).and_then(|r| r.version.map(|v| v.to_string())),
                })
            })
            .collect();
        println!(
            "{}",
            json!({"schema_version": 1, "environment": engine.env().name, "exit": code, "results": results})
        );
    } else {
        let width = told.iter().map(|t| t.0.len()).max().unwrap_or(0);
        for (name, _, result, note, _) in &told {
            println!(
                "{name:width$}  {result}{}",
                note.as_ref().map(|n| format!("  {n}")).unwrap_or_default()
            );
        }
        if told.is_empty() {
            println!("nothing is due");
        }
    }
    Ok(code)
}

fn stop_word(stop: Stop) -> &'static str {
    match stop {
        Stop::Over(keyrota_rotation::Outcome::Rotated) => "rotated",
        Stop::Over(keyrota_rotation::Outcome::Abandoned) => "abandoned",
        Stop::Wait { .. } => "waiting",
        Stop::Retry { .. } => "retrying",
        Stop::Confirm => "confirm",
        Stop::Person => "stuck",
        Stop::Interrupted => "interrupted",
    }
}

fn stop_note(
    stop: Stop,
    phase: Option<&str>,
    row: Option<&crate::state::Rotation>,
) -> Option<String> {
    let journal = row.and_then(|r| crate::engine::journal::Journal::from_text(&r.record).ok());
    let failure = journal.and_then(|j| j.failure);
    let phase = phase.unwrap_or("?");
    match stop {
        Stop::Over(keyrota_rotation::Outcome::Rotated) => None,
        Stop::Over(keyrota_rotation::Outcome::Abandoned) => Some(match failure {
            Some(why) => format!("{why}; the old value is still current"),
            None => "the old value is still current".to_owned(),
        }),
        Stop::Wait { until } => Some(format!(
            "{phase} until {}; go on with --wait, or leave it to the daemon",
            progress::clock(until)
        )),
        Stop::Retry { until } => Some(format!(
            "{phase}: {}; tried again at {} by the daemon, or with `keyrota resume NAME`",
            failure.as_deref().unwrap_or("it failed"),
            progress::clock(until)
        )),
        Stop::Confirm => Some("do what the schedule asks, then: keyrota confirm NAME".to_owned()),
        Stop::Person => Some(format!(
            "{}; mend it, then: keyrota resume NAME",
            failure.as_deref().unwrap_or("a step failed for good")
        )),
        Stop::Interrupted => Some("stopped before its next step; run it again to go on".to_owned()),
    }
}

/// A flag that is set when the process is told to end.
pub fn stop_on_signal() -> Arc<AtomicBool> {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = Arc::new(AtomicBool::new(false));
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

/// More than any provider takes.
const VALUE_BYTES_MAX: u64 = 1 << 20;

/// A value from standard input, without the line break that a terminal or `echo` adds.
pub fn read_value() -> Result<SecretValue, Failed> {
    let mut bytes = Vec::with_capacity(4096);
    std::io::stdin()
        .lock()
        .take(VALUE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Failed::new(exit::TRANSIENT, format!("standard input: {}", e.kind())))?;
    if bytes.len() as u64 > VALUE_BYTES_MAX {
        return Err(Failed::config(
            "the value on standard input is larger than 1 MiB",
        ));
    }
    // A PEM keeps its last line break: it is part of the format.
    if bytes.ends_with(b"\n") && !bytes.starts_with(b"-----BEGIN") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    }
    if bytes.is_empty() {
        return Err(Failed::config("standard input is empty: pipe the value in"));
    }
    Ok(SecretValue::new(bytes))
}
