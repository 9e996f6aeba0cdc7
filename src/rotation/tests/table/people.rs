//! What a person may decide, and what is refused.

use super::*;

#[test]
fn people_decide_only_where_it_makes_sense() {
    use Decision::{Abandon, Compromised, Confirm, Resume, RetireNow};
    let until = Time(NOW.0 + 5);
    let stuck = |was: Phase| Phase::Stuck { was: Box::new(was) };
    let switch = || Phase::Switch(telling(Told::Due, Told::Due));
    for (phase, allowed) in [
        (Phase::Preflight, vec![Abandon, Compromised]),
        (Phase::Create, vec![Abandon, Compromised]),
        (Phase::Set(Setting::Install), vec![Abandon, Compromised]),
        (Phase::Test, vec![Abandon, Compromised]),
        (
            Phase::Announce(Announcing::Observe),
            vec![Abandon, Compromised],
        ),
        (
            Phase::Settle { since: NOW, until },
            vec![Abandon, Compromised],
        ),
        (
            Phase::Finish(Finishing::Promote),
            vec![Abandon, Compromised],
        ),
        (switch(), vec![Compromised]),
        (Phase::Confirm, vec![Confirm, Compromised]),
        (
            Phase::Grace { since: NOW, until },
            vec![RetireNow, Compromised],
        ),
        (Phase::Retire(Retiring::Destroy), vec![Compromised]),
        (Phase::Restore(Restoring::Install), vec![Compromised]),
        (Phase::Undo(Undoing::Destroy), vec![Compromised]),
        (
            stuck(Phase::Finish(Finishing::Promote)),
            vec![Resume, Abandon],
        ),
        (stuck(switch()), vec![Resume]),
        (stuck(Phase::Restore(Restoring::Check)), vec![Resume]),
        (stuck(Phase::Undo(Undoing::Quiesce)), vec![Resume]),
        (stuck(Phase::Undo(Undoing::Check)), vec![Resume, Abandon]),
        (stuck(Phase::Undo(Undoing::Destroy)), vec![Resume, Abandon]),
        (Phase::Done(Outcome::Rotated), vec![]),
    ] {
        let record = at(phase.clone(), policy());
        for decision in [Confirm, Resume, Abandon, RetireNow, Compromised] {
            assert_eq!(
                decide(&record, decision).is_some(),
                allowed.contains(&decision),
                "{decision:?} in {phase:?}"
            );
            let busy = Record {
                in_flight: true,
                ..record.clone()
            };
            assert!(
                decide(&busy, decision).is_none(),
                "not in the middle of an effect"
            );
        }
        let waiting = Record {
            retry_at: Some(until),
            ..record
        };
        if !matches!(phase, Phase::Stuck { .. }) {
            assert_eq!(
                decide(&waiting, Resume).unwrap().retry_at,
                None,
                "the next try comes at once"
            );
        }
    }
}

#[test]
fn abandoning_after_a_promote_was_begun_observes_first() {
    let record = at(
        Phase::Stuck {
            was: Box::new(Phase::Finish(Finishing::Promote)),
        },
        policy(),
    );
    let observing = decide(&record, Decision::Abandon).unwrap();
    assert_eq!(observing.todo(NOW), Todo::Effect(Effect::ObserveCurrent));
    assert_eq!(
        reply(observing.clone(), YES).phase.name(),
        "switch",
        "it is current: forward"
    );
    assert_eq!(reply(observing, NO).phase.name(), "undo");
}

#[test]
fn a_first_value_that_may_not_become_current_is_taken_back() {
    let first = Policy {
        first: true,
        ..policy()
    };
    let promoting = at(Phase::Finish(Finishing::Promote), first);
    let looking = reply(promoting, Reply::Refused);
    assert_eq!(looking.phase, Phase::Finish(Finishing::Observe));
    assert_eq!(reply(looking.clone(), NO).phase.name(), "undo");
    assert_eq!(reply(looking, YES).phase.name(), "switch");
}

#[test]
fn a_way_back_that_failed_for_good_is_given_up_by_a_person_alone() {
    let stuck = |step| {
        let was = Box::new(Phase::Undo(step));
        decide(&at(Phase::Stuck { was }, policy()), Decision::Abandon).unwrap()
    };
    for step in [Undoing::Refuse, Undoing::Check] {
        let undoing = stuck(step);
        assert_eq!(undoing.phase, Phase::Undo(Undoing::Destroy));
        assert_eq!(
            reply(undoing, Reply::Done).phase,
            Phase::Done(Outcome::Abandoned),
            "nothing is left pending"
        );
    }
    assert_eq!(
        stuck(Undoing::Destroy).phase,
        Phase::Done(Outcome::Abandoned)
    );
}

#[test]
fn a_compromised_value_waits_for_nothing() {
    let hurry = |phase: Phase| decide(&at(phase, policy()), Decision::Compromised).unwrap();
    let until = Time(NOW.0 + 5);
    assert_eq!(
        hurry(Phase::Settle { since: NOW, until }).phase,
        Phase::Finish(Finishing::Promote)
    );
    assert_eq!(
        hurry(Phase::Announce(Announcing::Observe)).phase,
        Phase::Finish(Finishing::Promote)
    );
    assert_eq!(
        hurry(Phase::Grace { since: NOW, until }).phase.name(),
        "retire"
    );
    let mut early = hurry(Phase::Create);
    // Whoever goes on with it reads the same file again.
    early = early.adopt(&policy(), Moment { now: NOW, dice: 0 }).0;
    let asked = early.policy;
    assert_eq!(
        (asked.settle_ms, asked.grace_ms, asked.observe_published),
        (0, 0, false)
    );
}

#[test]
fn answers_that_do_not_fit_are_refused() {
    let moment = Moment { now: NOW, dice: 0 };
    let idle = Record::new(policy());
    assert!(
        idle.clone()
            .step(Event::Reply(Reply::Done), moment)
            .is_err(),
        "nothing was begun"
    );
    assert!(
        idle.clone().step(Event::Wake, moment).is_err(),
        "nothing is waited for"
    );
    assert!(
        idle.clone()
            .begin()
            .step(Event::Reply(YES), moment)
            .is_err(),
        "nothing was asked"
    );
    let illegal = idle.clone().begin().step(Event::Wake, moment).unwrap_err();
    assert_eq!(illegal.to_string(), "Wake cannot happen in phase preflight");
    let probing = at(Phase::Test, policy()).begin();
    assert!(
        probing
            .clone()
            .step(Event::Reply(Reply::Done), moment)
            .is_err(),
        "a probe has an answer"
    );
    assert_eq!(probing.todo(NOW), Todo::Recover);
    assert_eq!(at(Phase::Confirm, policy()).todo(NOW), Todo::Confirm);
    assert_eq!(
        at(Phase::Done(Outcome::Abandoned), policy()).todo(NOW),
        Todo::Over(Outcome::Abandoned)
    );
    assert_eq!(
        at(
            Phase::Stuck {
                was: Box::new(Phase::Test)
            },
            policy()
        )
        .todo(NOW),
        Todo::Person
    );
}
