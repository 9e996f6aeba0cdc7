//! The table of transitions, line by line where the driver's invariants leave a choice: how often
//! something is tried, how long is waited, what a person may decide.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a test stops at the first surprise"
)]

use keyrota_rotation::{
    Announcing, Decision, Effect, Event, Finishing, Listener, Moment, Outcome, Overlap, Phase,
    Policy, Probed, Record, Reply, Restoring, Retiring, Round, Setting, Telling, Time, Todo, Told,
    Undoing, Which,
};

mod edits;
mod people;
mod tries;
mod waits;

const NOW: Time = Time(1_000_000);

fn policy() -> Policy {
    Policy {
        first: false,
        target: true,
        overlap: Overlap::Dual,
        announce: true,
        observe_published: true,
        settle_ms: 60_000,
        grace_ms: 90_000,
        confirm: false,
        keep_previous: true,
        attempts_max: 3,
        listeners: vec![
            Listener {
                key: "a".into(),
                required: true,
                definition: String::new(),
            },
            Listener {
                key: "b".into(),
                required: false,
                definition: String::new(),
            },
        ],
    }
}

/// A record in `phase`, as it is when every earlier effect has been begun.
fn at(phase: Phase, policy: Policy) -> Record {
    let mut record = Record::new(policy);
    record.phase = phase;
    (record.created, record.installed, record.announced) = (true, true, true);
    record
}

fn decide(record: &Record, decision: Decision) -> Option<Record> {
    record
        .clone()
        .step(Event::Decided(decision), Moment { now: NOW, dice: 0 })
        .ok()
}

/// Begins the present effect and answers it.
fn reply(record: Record, reply: Reply) -> Record {
    record
        .begin()
        .step(Event::Reply(reply), Moment { now: NOW, dice: 0 })
        .unwrap()
}

fn replies(record: Record, all: &[Reply]) -> Record {
    all.iter().fold(record, |record, one| reply(record, *one))
}

fn telling(a: Told, b: Told) -> Telling {
    let [la, lb] = [&policy().listeners[0], &policy().listeners[1]].map(Clone::clone);
    Telling(vec![(la, a), (lb, b)])
}

const NO: Reply = Reply::Probed(Probed::Rejected);
const YES: Reply = Reply::Probed(Probed::Accepted);

#[test]
fn names_are_stable() {
    let until = Time(1);
    let phases = [
        (Phase::Preflight, "preflight"),
        (Phase::Create, "create"),
        (Phase::Set(Setting::Install), "set"),
        (Phase::Test, "test"),
        (Phase::Announce(Announcing::Observe), "announce"),
        (Phase::Settle { since: NOW, until }, "settle"),
        (Phase::Finish(Finishing::Promote), "finish"),
        (Phase::Switch(Telling(vec![])), "switch"),
        (Phase::Confirm, "confirm"),
        (Phase::Grace { since: NOW, until }, "grace"),
        (Phase::Retire(Retiring::Check), "retire"),
        (Phase::Restore(Restoring::Check), "restore"),
        (Phase::Undo(Undoing::Check), "undo"),
        (
            Phase::Stuck {
                was: Box::new(Phase::Test),
            },
            "stuck",
        ),
        (Phase::Done(Outcome::Rotated), "done"),
    ];
    for (phase, name) in phases {
        assert_eq!(phase.name(), name);
    }
    let effects = [
        (Effect::Preflight, "preflight"),
        (Effect::Create, "create"),
        (Effect::Install(Which::Pending), "install"),
        (Effect::Quiesce, "quiesce"),
        (Effect::Probe(Which::Pending), "probe"),
        (
            Effect::Deliver {
                round: Round::Switch,
                listener: "a".into(),
            },
            "deliver",
        ),
        (Effect::ObservePublished, "observe-published"),
        (Effect::Promote, "promote"),
        (Effect::ObserveCurrent, "observe-current"),
        (Effect::Refuse(Which::Previous), "refuse"),
        (Effect::Destroy(Which::Previous), "destroy"),
    ];
    for (effect, name) in effects {
        assert_eq!(effect.name(), name);
    }
}

#[test]
fn rounds_have_names_and_an_end_has_an_outcome() {
    let rounds = [
        (Round::Announce, "announce"),
        (Round::Switch, "switch"),
        (Round::Withdraw, "withdraw"),
    ];
    for (round, name) in rounds {
        assert_eq!(round.name(), name);
    }
    let ended = at(Phase::Done(Outcome::Rotated), policy());
    assert_eq!(ended.outcome(), Some(Outcome::Rotated));
    assert_eq!(at(Phase::Confirm, policy()).outcome(), None);
}
