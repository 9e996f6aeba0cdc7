//! What a rotation will do, and when, if everything answers at once and nothing fails: the machine
//! itself is driven, with good answers and a clock that jumps. So the plan cannot drift from what
//! is done. Pure.

use keyrota_rotation::{
    Decision, Effect, Event, Moment, Outcome, Phase, Policy, Probed, Record, Reply, Time, Todo,
    Which,
};

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The phase it belongs to.
    pub phase: &'static str,
    /// What happens.
    pub what: What,
    /// The earliest moment at which it begins.
    pub at: Time,
}

/// What happens in a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// An effect.
    Effect(Effect),
    /// Nothing, until this moment.
    Wait {
        /// Until when.
        until: Time,
    },
    /// A person does what the schedule asks, and confirms it.
    Confirm,
    /// A person looks; nothing after this can be foretold.
    Person,
}

/// A rotation from where it stands to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// How it ends; `None` if a person has to look first.
    pub outcome: Option<Outcome>,
    /// The earliest end. A person who has to confirm is taken to do so at once.
    pub end: Time,
}

/// Of a rotation that begins at `now`.
pub fn of_policy(policy: Policy, now: Time) -> Forecast {
    of_record(Record::new(policy), now)
}

/// Of the rest of a rotation that stands at `record`.
pub fn of_record(mut record: Record, now: Time) -> Forecast {
    let mut at = now;
    let mut steps = Vec::new();
    let outcome = loop {
        let phase = record.phase.name();
        let mut step = |what| steps.push(Step { phase, what, at });
        let event = match record.todo(at) {
            Todo::Over(outcome) => break Some(outcome),
            Todo::Person => {
                step(What::Person);
                break None;
            }
            Todo::Confirm => {
                step(What::Confirm);
                Event::Decided(Decision::Confirm)
            }
            Todo::Wait { until, .. } => {
                step(What::Wait { until });
                at = until;
                continue;
            }
            Todo::Wake => Event::Wake,
            // An effect that was begun by somebody is taken to end well, too.
            Todo::Effect(_) | Todo::Recover => {
                let Some(effect) = record.effect() else {
                    unreachable!("an effect in {phase}, which has none")
                };
                let reply = good(&effect, &record.phase);
                step(What::Effect(effect));
                if !record.in_flight {
                    record = record.begin();
                }
                Event::Reply(reply)
            }
        };
        record = match record.step(event, Moment { now: at, dice: 0 }) {
            Ok(next) => next,
            Err(illegal) => unreachable!("the machine asked for this: {illegal}"),
        };
    };
    Forecast {
        steps,
        outcome,
        end: at,
    }
}

/// The answer that leads on.
fn good(effect: &Effect, phase: &Phase) -> Reply {
    match effect {
        // What was just refused is shown refused.
        Effect::Probe(Which::Previous) => Reply::Probed(Probed::Rejected),
        Effect::Probe(_) if matches!(phase, Phase::Undo(_)) => Reply::Probed(Probed::Rejected),
        effect if effect.asks() => Reply::Probed(Probed::Accepted),
        _ => Reply::Done,
    }
}

#[cfg(test)]
mod tests {
    use keyrota_rotation::{Listener, Overlap, Round, Undoing};

    use super::*;

    fn policy() -> Policy {
        Policy {
            first: false,
            target: false,
            overlap: Overlap::Dual,
            announce: true,
            observe_published: false,
            settle_ms: 1_000,
            grace_ms: 60_000,
            confirm: true,
            keep_previous: false,
            attempts_max: 3,
            listeners: vec![Listener {
                key: "file:/app.env".to_owned(),
                required: true,
                definition: String::new(),
            }],
        }
    }

    fn phases(forecast: &Forecast) -> Vec<&'static str> {
        let mut phases: Vec<_> = forecast.steps.iter().map(|s| s.phase).collect();
        phases.dedup();
        phases
    }

    #[test]
    fn every_wait_is_named_and_summed() {
        let forecast = of_policy(policy(), Time(5));
        assert_eq!(
            phases(&forecast),
            [
                "preflight",
                "create",
                "test",
                "announce",
                "settle",
                "finish",
                "switch",
                "confirm",
                "grace",
                "retire"
            ]
        );
        assert_eq!(forecast.outcome, Some(Outcome::Rotated));
        assert_eq!(forecast.end, Time(5 + 1_000 + 60_000));
        let settle = forecast.steps.iter().find(|s| s.phase == "settle");
        let until = Time(1_005);
        assert_eq!(
            settle.map(|s| (&s.what, s.at)),
            Some((&What::Wait { until }, Time(5)))
        );
        let rounds = forecast.steps.iter().filter_map(|s| match &s.what {
            What::Effect(Effect::Deliver { round, .. }) => Some(*round),
            _ => None,
        });
        assert_eq!(
            rounds.collect::<Vec<_>>(),
            [Round::Announce, Round::Switch, Round::Withdraw]
        );
    }

    #[test]
    fn a_first_version_has_nothing_to_wait_for() {
        let forecast = of_policy(
            Policy {
                first: true,
                ..policy()
            },
            Time(0),
        );
        assert_eq!(
            phases(&forecast),
            ["preflight", "create", "test", "finish", "switch"]
        );
        assert_eq!(forecast.end, Time(0));
    }

    #[test]
    fn a_target_is_told_and_probed() {
        for overlap in [Overlap::Dual, Overlap::Replace] {
            let with_target = Policy {
                target: true,
                overlap,
                ..policy()
            };
            let forecast = of_policy(with_target, Time(0));
            assert!(phases(&forecast).contains(&"set"), "{overlap:?}");
            assert_eq!(forecast.outcome, Some(Outcome::Rotated), "{overlap:?}");
        }
    }

    #[test]
    fn a_rotation_under_way_is_told_from_where_it_stands() {
        let mut record = Record::new(policy());
        record.phase = Phase::Grace {
            since: Time(0),
            until: Time(900),
        };
        let forecast = of_record(record.clone(), Time(100));
        assert_eq!(phases(&forecast), ["grace", "retire"]);
        assert_eq!(forecast.end, Time(900));

        record.phase = Phase::Undo(Undoing::Destroy);
        record.in_flight = true;
        let forecast = of_record(record.clone(), Time(100));
        assert_eq!(forecast.outcome, Some(Outcome::Abandoned));

        record.phase = Phase::Stuck {
            was: Box::new(Phase::Preflight),
        };
        record.in_flight = false;
        let forecast = of_record(record, Time(100));
        assert_eq!((forecast.outcome, forecast.steps.len()), (None, 1));
    }
}
