//! How long is waited, and for whom.

use super::*;

#[test]
fn waits_are_as_long_as_the_policy_says() {
    let told = |policy: Policy| {
        let record = at(Phase::Announce(Announcing::Observe), policy);
        reply(record, Reply::Done).phase
    };
    assert_eq!(
        told(policy()),
        Phase::Settle {
            since: NOW,
            until: Time(NOW.0 + 60_000)
        }
    );
    assert_eq!(
        told(Policy {
            settle_ms: 0,
            ..policy()
        }),
        Phase::Finish(Finishing::Promote)
    );
    assert_eq!(
        told(Policy {
            overlap: Overlap::Replace,
            ..policy()
        }),
        Phase::Finish(Finishing::Promote)
    );
    let settle = at(told(policy()), policy());
    assert_eq!(
        settle.todo(Time(NOW.0 + 59_999)),
        Todo::Wait {
            until: Time(NOW.0 + 60_000),
            retry: false
        }
    );
    assert_eq!(settle.todo(Time(NOW.0 + 60_000)), Todo::Wake);
    assert!(
        settle
            .clone()
            .step(
                Event::Wake,
                Moment {
                    now: Time(NOW.0 + 59_999),
                    dice: 0
                }
            )
            .is_err()
    );
    assert_eq!(
        settle
            .step(
                Event::Wake,
                Moment {
                    now: Time(NOW.0 + 60_000),
                    dice: 0
                }
            )
            .unwrap()
            .phase,
        Phase::Finish(Finishing::Promote)
    );
    let switched = |policy: Policy| {
        reply(
            at(
                Phase::Switch(telling(Told::Due, Told::Acknowledged)),
                policy,
            ),
            Reply::Done,
        )
        .phase
    };
    assert_eq!(
        switched(policy()),
        Phase::Grace {
            since: NOW,
            until: Time(NOW.0 + 90_000)
        }
    );
    assert_eq!(
        switched(Policy {
            confirm: true,
            ..policy()
        }),
        Phase::Confirm
    );
    assert_eq!(
        switched(Policy {
            grace_ms: 0,
            ..policy()
        })
        .name(),
        "retire"
    );
    assert_eq!(
        switched(Policy {
            first: true,
            ..policy()
        }),
        Phase::Done(Outcome::Rotated)
    );
}

#[test]
fn an_edit_may_prolong_a_wait_and_never_shorten_it() {
    let edit = |phase: Phase, settle_ms, grace_ms| {
        let edited = Policy {
            settle_ms,
            grace_ms,
            listeners: vec![],
            ..policy()
        };
        let moment = Moment { now: NOW, dice: 0 };
        let record = at(phase, policy()).adopt(&edited, moment).0;
        assert!(record.policy.listeners.is_empty());
        record.phase
    };
    let (since, until) = (NOW, Time(NOW.0 + 10));
    let to = |ms: i64| Time(NOW.0 + ms);
    assert_eq!(
        edit(Phase::Settle { since, until }, 70_000, 0),
        Phase::Settle {
            since,
            until: to(70_000)
        }
    );
    assert_eq!(
        edit(
            Phase::Settle {
                since,
                until: to(80_000)
            },
            1,
            1
        ),
        Phase::Settle {
            since,
            until: to(80_000)
        }
    );
    assert_eq!(
        edit(Phase::Grace { since, until }, 0, 95_000),
        Phase::Grace {
            since,
            until: to(95_000)
        }
    );
    assert_eq!(
        edit(
            Phase::Grace {
                since,
                until: to(99_000)
            },
            0,
            1
        ),
        Phase::Grace {
            since,
            until: to(99_000)
        }
    );
    assert_eq!(edit(Phase::Test, 1, 1), Phase::Test);
}

#[test]
fn one_that_fails_does_not_hold_up_the_others_and_those_behind_it_are_told_again() {
    let required = |key: &str| Listener {
        key: key.into(),
        required: true,
        definition: String::new(),
    };
    let all = || vec![required("a"), required("b"), required("c")];
    let states = |record: &Record| match &record.phase {
        Phase::Switch(telling) => telling.0.iter().map(|(_, told)| *told).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let policy = Policy {
        listeners: all(),
        ..policy()
    };
    let begin = at(Phase::Switch(Telling::of(&all())), policy);
    let pass = replies(begin, &[Reply::Done, Reply::Retry, Reply::Done]);
    assert_eq!(
        states(&pass),
        [Told::Acknowledged, Told::Again, Told::Acknowledged]
    );
    assert!(pass.retry_at.is_some());
    let Phase::Switch(telling) = &pass.phase else {
        unreachable!()
    };
    assert_eq!(telling.waiting_for().collect::<Vec<_>>(), ["b"]);
    let again = reply(pass.clone(), Reply::Done);
    assert_eq!(
        states(&again),
        [Told::Acknowledged, Told::Acknowledged, Told::Due],
        "c may depend on b"
    );
    assert_eq!(reply(again, Reply::Done).phase.name(), "grace");
    let lost = reply(pass, Reply::Lost);
    assert_eq!(
        (states(&lost)[1], lost.retry_at),
        (Told::Again, None),
        "the same one, at once"
    );
}

#[test]
fn a_consumer_that_refuses_matters_if_it_is_required() {
    let switch = at(Phase::Switch(Telling::of(&policy().listeners)), policy());
    assert_eq!(
        replies(switch.clone(), &[Reply::Done, Reply::Refused])
            .phase
            .name(),
        "grace"
    );
    assert_eq!(
        replies(switch.clone(), &[Reply::Done, Reply::Retry])
            .phase
            .name(),
        "grace"
    );
    let stuck = replies(switch, &[Reply::Refused, Reply::Done]);
    assert_eq!(
        stuck.phase,
        Phase::Stuck {
            was: Box::new(Phase::Switch(telling(Told::Refused, Told::Acknowledged)))
        }
    );
    let resumed = decide(&stuck, Decision::Resume).unwrap();
    assert_eq!(
        resumed.phase,
        Phase::Switch(telling(Told::Again, Told::Acknowledged))
    );
    let announce = at(
        Phase::Announce(Announcing::Tell(Telling::of(&policy().listeners))),
        policy(),
    );
    assert_eq!(
        reply(announce.clone(), Reply::Refused).phase.name(),
        "undo",
        "at once: there is a way back"
    );
    assert_eq!(
        replies(announce.clone(), &[Reply::Done, Reply::Refused]).phase,
        Phase::Announce(Announcing::Observe)
    );
    let thrice = replies(
        announce,
        &[Reply::Retry, Reply::Done, Reply::Retry, Reply::Retry],
    );
    assert_eq!(thrice.phase.name(), "undo", "passes are tries");
}

#[test]
fn a_grace_ends_at_its_deadline_and_not_before() {
    let until = Time(NOW.0 + 90_000);
    let grace = at(Phase::Grace { since: NOW, until }, policy());
    let wake = |now| grace.clone().step(Event::Wake, Moment { now, dice: 0 });
    assert!(wake(Time(until.0 - 1)).is_err());
    for late in [0, 1, 1_000_000] {
        assert_eq!(wake(Time(until.0 + late)).unwrap().phase.name(), "retire");
    }
}

#[test]
fn what_a_policy_does_not_ask_for_is_left_out() {
    let quiet = Policy {
        announce: false,
        ..policy()
    };
    let first = Policy {
        first: true,
        ..policy()
    };
    for policy in [quiet, first.clone()] {
        assert_eq!(
            reply(at(Phase::Test, policy), YES).phase,
            Phase::Finish(Finishing::Promote)
        );
    }
    let unpublished = Policy {
        observe_published: false,
        ..policy()
    };
    let announce = Phase::Announce(Announcing::Tell(telling(Told::Due, Told::Acknowledged)));
    assert_eq!(
        reply(at(announce, unpublished), Reply::Done).phase.name(),
        "settle"
    );
    let refused = reply(at(Phase::Set(Setting::ProbePending), first), NO);
    assert_eq!(
        refused.phase,
        Phase::Set(Setting::Install),
        "there is no current value to ask for"
    );
    let mut switch = at(Phase::Switch(Telling::of(&policy().listeners)), policy());
    switch.announced = false;
    assert!(!switch.begin().announced, "only an announcement announces");
    let settle = Phase::Settle {
        since: NOW,
        until: NOW,
    };
    let busy = Record {
        in_flight: true,
        ..at(settle, policy())
    };
    assert!(
        busy.step(Event::Wake, Moment { now: NOW, dice: 0 })
            .is_err()
    );
}
