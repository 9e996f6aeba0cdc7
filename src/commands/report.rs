//! What became of each secret that a command was about.

use jiff::Timestamp;
use serde_json::json;

use super::context::Context;
use super::exit::{self, Failed};
use super::progress;
use super::say::{print, print_json, table};
use crate::engine::mend::Looked;
use crate::engine::{Engine, NotBegun, Stop};

/// What became of one secret.
#[derive(Debug)]
pub struct Line {
    /// The secret.
    pub name: String,
    /// What became of it.
    pub state: State,
    /// After a rotation that waited for nothing: until when a verifier that keeps what it read may
    /// still accept the old value.
    pub accepted_until: Option<Timestamp>,
}

/// What a command did about one secret.
#[derive(Debug)]
pub enum State {
    /// A rotation, and where it stopped.
    Stopped(Stop),
    /// Left out of a selection, and why.
    Skipped(NotBegun),
    /// Asked for by name, and not begun.
    Refused(NotBegun),
    /// Nothing before this moment: its window is closed.
    Closed(Timestamp),
    /// Only looked whether it could be done; why not.
    DryRun(Result<(), &'static str>),
    /// Its copies were looked at.
    Copies(Looked),
    /// Nothing could be begun.
    Failed(Failed),
}

impl Line {
    /// Of a rotation that stopped.
    pub fn of_stop(name: &str, stop: Stop) -> Self {
        Self {
            name: name.to_owned(),
            state: State::Stopped(stop),
            accepted_until: None,
        }
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
            State::Skipped(why) | State::Refused(why) => (
                match why {
                    NotBegun::UnderWay => exit::WAITING,
                    NotBegun::Failing => exit::PERSON,
                    NotBegun::External | NotBegun::Imported
                        if matches!(line.state, State::Skipped(_)) =>
                    {
                        exit::DONE
                    }
                    _ => exit::CONFIG,
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
            State::Copies(looked) => of_copies(looked),
            State::Failed(failed) => (failed.code, "failed", Some(failed.say.clone())),
        };
        let note = match (result, line.accepted_until) {
            ("rotated", Some(until)) => Some(format!(
                "a verifier that keeps what it read may accept the old value until {}",
                progress::second(until)
            )),
            _ => note,
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
        print_json(&json!({
            "schema_version": 1, "environment": engine.env().name, "exit": code, "results": results,
        }))?;
    } else if told.is_empty() {
        print("nothing is due\n")?;
    } else {
        let rows: Vec<_> = told
            .into_iter()
            .map(|(name, _, result, note, _)| {
                [name.to_owned(), result.to_owned(), note.unwrap_or_default()]
            })
            .collect();
        print(&table(&rows))?;
    }
    Ok(code)
}

/// The worst of what a look at copies found, and whom it is about.
fn of_copies(looked: &Looked) -> (u8, &'static str, Option<String>) {
    let Looked {
        mended,
        left,
        failed,
        own_edited,
    } = looked;
    if !left.is_empty() {
        let note = format!(
            "{}: wrong again and again, or deleted; find out who writes there, then: keyrota resume NAME",
            left.join(", ")
        );
        return (exit::PERSON, "copies-left", Some(note));
    }
    if let Some((copy, why)) = failed.first() {
        return (
            exit::TRANSIENT,
            "copies-failed",
            Some(format!("{copy}: {why}")),
        );
    }
    if *own_edited {
        let note = "another tool wrote its current value, and keyrota does not copy it: keyrota rotate NAME starts from it, keyrota import NAME --in-place accepts it";
        return (exit::PERSON, "copies-left", Some(note.to_owned()));
    }
    match mended.is_empty() {
        true => (exit::DONE, "copies-right", None),
        false => (exit::DONE, "copies-mended", Some(mended.join(", "))),
    }
}

/// What is told of a rotation that stopped; empty if there is nothing to add.
pub async fn note(engine: &Engine, secret: &str, stop: Stop) -> Result<String, Failed> {
    let (store, env) = (engine.store(), &engine.env().name);
    let row = store.rotations(env, secret, 1).await?.into_iter().next();
    let phase = row.as_ref().map(|r| r.phase.clone());
    Ok(stop_note(stop, phase.as_deref(), row.as_ref()).unwrap_or_default())
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
            "{phase} until {}; continue with --wait, or leave it to the daemon",
            progress::clock(until)
        )),
        Stop::Retry { until } => Some(format!(
            "{phase}: {}; tried again at {} by the daemon, or with `keyrota resume NAME`",
            failure.as_deref().unwrap_or("it failed"),
            progress::clock(until)
        )),
        Stop::Confirm => Some("do what the schedule asks, then: keyrota confirm NAME".to_owned()),
        Stop::Person => Some(format!(
            "{}; correct it, then run keyrota resume NAME (or, while the old value is current, keyrota abandon NAME)",
            failure.as_deref().unwrap_or("a step failed for good")
        )),
        Stop::Interrupted => {
            Some("stopped before its next step; run it again to continue".to_owned())
        }
    }
}
