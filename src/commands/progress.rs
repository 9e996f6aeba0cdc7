//! Progress on a terminal: what is under way, what it waits for, until when. Quiet in a pipe.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use keyrota_rotation::{Phase, Time};

use super::exit::in_words;
use crate::engine::Watch;
use crate::output;

/// For a person at a terminal, else nobody.
pub fn terminal() -> Arc<dyn Watch> {
    if output::is_watched() {
        Arc::new(Terminal::default())
    } else {
        Arc::new(Nobody)
    }
}

struct Nobody;

impl Watch for Nobody {
    fn moved(&self, _: &str, _: &Phase) {}
}

/// Into the log, for the daemon.
pub struct Logged;

impl Watch for Logged {
    fn moved(&self, secret: &str, phase: &Phase) {
        match until(phase) {
            Some(until) => tracing::info!(secret, phase = phase.name(), until = %clock(until)),
            None => tracing::info!(secret, phase = phase.name()),
        }
    }
}

#[derive(Default)]
struct Terminal(Mutex<Vec<(String, &'static str)>>);

impl Watch for Terminal {
    fn moved(&self, secret: &str, phase: &Phase) {
        let words = in_words(phase);
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = told.iter_mut().find(|(name, _)| name == secret);
        match last {
            Some((_, last)) if *last == words => return,
            Some((_, last)) => *last = words,
            None => told.push((secret.to_owned(), words)),
        }
        match until(phase) {
            Some(until) => output::note(&format!("{secret}: {words}, {}\n", clock(until))),
            None => output::note(&format!("{secret}: {words}\n")),
        }
    }
}

fn until(phase: &Phase) -> Option<Time> {
    match phase {
        Phase::Settle { until, .. } | Phase::Grace { until, .. } => Some(*until),
        _ => None,
    }
}

/// A time as people and machines read it: RFC 3339, UTC, to the second.
pub fn clock(time: Time) -> String {
    let second = Timestamp::from_second(time.0.div_euclid(1000)).unwrap_or(Timestamp::MAX);
    second.to_string()
}

/// A moment, to the second.
pub fn second(at: Timestamp) -> String {
    clock(Time(at.as_millisecond()))
}
