//! How fast the machine decides: steps per second of whole rotations, in memory.
//!
//!     cargo bench --bench machine
//!
//! The floor is what a step cannot do without in `keyrota`: a clone of the record (the machine takes
//! it by value) and the record as text (the state keeps that). Measured in turns, in one run.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark stops at the first surprise"
)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it measures, by the real clock, and is read by a person"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use keyrota_rotation::{
    Effect, Event, Listener, Moment, Outcome, Overlap, Policy, Probed, Record, Reply, Time, Todo,
    Which,
};

const ROUNDS: usize = 30;
const ROTATIONS: u32 = 2_000;

fn main() {
    let policy = policy();
    let mut passed = Vec::new();
    rotation(&policy, |record| passed.push(record.clone()));
    let steps = u32::try_from(passed.len()).unwrap();
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        times[0].push(timed(|| {
            for _ in 0..ROTATIONS {
                rotation(black_box(&policy), |record| {
                    black_box(record);
                });
            }
        }));
        times[1].push(timed(|| {
            for i in 0..ROTATIONS * steps {
                black_box(black_box(&passed[(i % steps) as usize]).clone());
            }
        }));
        times[2].push(timed(|| {
            for i in 0..ROTATIONS * steps {
                black_box(serde_json::to_string(black_box(&passed[(i % steps) as usize])).unwrap());
            }
        }));
    }
    let [step, clone, text] = times.map(|mut t| {
        t.sort();
        t[t.len() / 2].as_secs_f64() / f64::from(ROTATIONS * steps)
    });
    println!(
        "a rotation with an announcement and two consumers: {steps} steps; {ROUNDS} rounds, medians"
    );
    println!(
        "  a step                {:7.0} ns   {:.1} million a second",
        step * 1e9,
        1e-6 / step
    );
    println!(
        "  a clone of the record {:7.0} ns   a step is {:.2} of them",
        clone * 1e9,
        step / clone
    );
    println!(
        "  the record as text    {:7.0} ns   a step is {:.2} of them",
        text * 1e9,
        step / text
    );
}

/// One rotation from its start to its end, as the engine drives it. A step is an effect's beginning
/// and its answer, or the end of a wait; `seen` gets the record after each.
fn rotation(policy: &Policy, mut seen: impl FnMut(&Record)) {
    let mut record = Record::new(policy.clone());
    let mut at = Moment {
        now: Time(0),
        dice: 7,
    };
    loop {
        record = match record.todo(at.now) {
            Todo::Effect(effect) => {
                let reply = match effect.asks() {
                    // Before the end, the old value is shown refused.
                    true if effect == Effect::Probe(Which::Previous) => {
                        Reply::Probed(Probed::Rejected)
                    }
                    true => Reply::Probed(Probed::Accepted),
                    false => Reply::Done,
                };
                record.begin().step(Event::Reply(reply), at).unwrap()
            }
            Todo::Wait { until, .. } => {
                at.now = until;
                continue;
            }
            Todo::Wake => record.step(Event::Wake, at).unwrap(),
            Todo::Over(outcome) => {
                assert_eq!(outcome, Outcome::Rotated);
                return;
            }
            other => panic!("a rotation without faults came to {other:?}"),
        };
        seen(&record);
    }
}

fn policy() -> Policy {
    Policy {
        first: false,
        target: true,
        overlap: Overlap::Dual,
        announce: true,
        observe_published: true,
        settle_ms: 60_000,
        grace_ms: 60_000,
        confirm: false,
        keep_previous: true,
        attempts_max: 3,
        listeners: ["app.env", "reload"]
            .map(|key| Listener {
                key: key.to_owned(),
                required: true,
                definition: String::new(),
            })
            .to_vec(),
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}
