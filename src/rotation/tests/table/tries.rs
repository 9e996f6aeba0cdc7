//! How often something is tried, and what comes then.

use super::*;

#[test]
fn tries_are_counted_where_there_is_a_way_back() {
    for phase in [
        Phase::Preflight,
        Phase::Create,
        Phase::Set(Setting::Install),
        Phase::Test,
    ] {
        for failure in [Reply::Retry, Reply::Ambiguous] {
            if (&phase, failure) == (&Phase::Set(Setting::Install), Reply::Ambiguous) {
                continue; // looked at below
            }
            let twice = replies(at(phase.clone(), policy()), &[failure, failure]);
            assert_eq!((&twice.phase, twice.tries, twice.failures), (&phase, 2, 2));
            assert_eq!(
                twice.retry_at,
                Some(Time(NOW.0 + 1_000)),
                "half of two seconds, with these dice"
            );
            assert_eq!(
                twice.todo(NOW),
                Todo::Wait {
                    until: Time(NOW.0 + 1_000),
                    retry: true
                }
            );
            assert!(matches!(twice.todo(Time(NOW.0 + 1_000)), Todo::Effect(_)));
            let gone = reply(twice, failure);
            assert!(
                matches!(gone.phase, Phase::Undo(_)),
                "{phase:?}: {:?}",
                gone.phase
            );
            assert_eq!((gone.tries, gone.failures, gone.retry_at), (0, 0, None));
        }
    }
}

/// An account that is spared for a quarter of an hour must not cost the rotation.
#[test]
fn what_is_held_is_not_a_try_in_any_phase() {
    for phase in [
        Phase::Preflight,
        Phase::Set(Setting::Install),
        Phase::Test,
        Phase::Retire(Retiring::Check),
        Phase::Restore(Restoring::Check),
        Phase::Undo(Undoing::Check),
    ] {
        let held = replies(at(phase.clone(), policy()), &[Reply::Held; 40]);
        assert_eq!((&held.phase, held.tries, held.failures), (&phase, 0, 40));
        assert!(matches!(held.todo(NOW), Todo::Wait { retry: true, .. }));
    }
}

#[test]
fn a_crash_is_not_a_try() {
    for phase in [
        Phase::Preflight,
        Phase::Create,
        Phase::Test,
        Phase::Finish(Finishing::Promote),
    ] {
        let lost = replies(at(phase.clone(), policy()), &[Reply::Lost; 9]);
        assert_eq!(
            (lost.phase, lost.tries, lost.failures, lost.retry_at),
            (phase, 0, 0, None)
        );
    }
    let mut exhausted = at(Phase::Test, policy());
    exhausted.tries = 3;
    assert_eq!(
        reply(exhausted, Reply::Lost).phase,
        Phase::Test,
        "even when no try is left"
    );
    let install = reply(at(Phase::Set(Setting::Install), policy()), Reply::Lost);
    assert_eq!(
        (install.phase, install.tries, install.doubt),
        (Phase::Set(Setting::Quiesce), 0, true)
    );
}

#[test]
fn a_doubtful_install_is_observed_and_tried_again_as_often_as_any_other() {
    let round = [Reply::Ambiguous, Reply::Done, NO, YES];
    let mut record = at(Phase::Set(Setting::Install), policy());
    for tries in 1..=2 {
        record = replies(record, &round);
        assert_eq!(
            (&record.phase, record.tries, record.doubt),
            (&Phase::Set(Setting::Install), tries, false)
        );
        assert!(record.retry_at.is_some(), "not at once");
    }
    assert_eq!(
        replies(record.clone(), &[Reply::Ambiguous, Reply::Done, YES]).phase,
        Phase::Test
    );
    assert_eq!(
        replies(
            record.clone(),
            &[
                Reply::Ambiguous,
                Reply::Done,
                Reply::Probed(Probed::Blocked)
            ]
        )
        .phase,
        Phase::Test
    );
    assert_eq!(
        replies(record, &round).phase,
        Phase::Undo(Undoing::Withdraw(telling(Told::Due, Told::Due)))
    );
}

#[test]
fn observations_are_repeated_for_ever() {
    for phase in [
        Phase::Set(Setting::Quiesce),
        Phase::Set(Setting::ProbePending),
        Phase::Set(Setting::ProbeCurrent),
        Phase::Announce(Announcing::Observe),
        Phase::Finish(Finishing::Promote),
        Phase::Finish(Finishing::Observe),
        Phase::Retire(Retiring::Refuse),
        Phase::Retire(Retiring::Destroy),
        Phase::Restore(Restoring::Quiesce),
        Phase::Undo(Undoing::Quiesce),
        Phase::Undo(Undoing::Destroy),
    ] {
        let long = replies(at(phase.clone(), policy()), &[Reply::Retry; 20]);
        assert_eq!((long.phase, long.failures), (phase, 20));
    }
}

#[test]
fn a_refusal_ends_what_it_can_end() {
    let stuck = |phase: Phase| Phase::Stuck {
        was: Box::new(phase),
    };
    for phase in [
        Phase::Finish(Finishing::Promote),
        Phase::Retire(Retiring::Refuse),
        Phase::Retire(Retiring::Check),
        Phase::Retire(Retiring::Destroy),
        Phase::Restore(Restoring::Install),
        Phase::Undo(Undoing::Refuse),
        Phase::Undo(Undoing::Destroy),
    ] {
        assert_eq!(
            reply(at(phase.clone(), policy()), Reply::Refused).phase,
            stuck(phase)
        );
    }
    for phase in [
        Phase::Preflight,
        Phase::Create,
        Phase::Set(Setting::ProbeCurrent),
        Phase::Test,
        Phase::Announce(Announcing::Observe),
    ] {
        let back = reply(at(phase, policy()), Reply::Refused);
        assert!(matches!(back.phase, Phase::Undo(Undoing::Withdraw(_))));
    }
    let nothing = reply(Record::new(policy()), Reply::Refused);
    assert_eq!(
        nothing.phase,
        Phase::Done(Outcome::Abandoned),
        "nothing was begun"
    );
}

#[test]
fn a_value_that_is_still_accepted_is_refused_again_and_then_a_person_looks() {
    for (check, refuse) in [
        (
            Phase::Retire(Retiring::Check),
            Phase::Retire(Retiring::Refuse),
        ),
        (Phase::Undo(Undoing::Check), Phase::Undo(Undoing::Refuse)),
    ] {
        let mut record = at(check.clone(), policy());
        for tries in 1..=2 {
            record = reply(record, YES);
            assert_eq!((&record.phase, record.tries), (&refuse, tries));
            record = reply(record, Reply::Done);
            assert_eq!(record.phase, check);
        }
        assert_eq!(reply(record, YES).phase.name(), "stuck");
    }
    let replace = Policy {
        overlap: Overlap::Replace,
        ..policy()
    };
    let again = reply(at(Phase::Retire(Retiring::Check), replace.clone()), YES);
    assert_eq!(
        again.phase,
        Phase::Retire(Retiring::Check),
        "there is nothing to refuse with one value"
    );
    let restore = reply(at(Phase::Restore(Restoring::Check), replace), NO);
    assert_eq!(
        (restore.phase, restore.tries),
        (Phase::Restore(Restoring::Install), 1)
    );
}

#[test]
fn the_way_back_depends_on_what_was_done() {
    let back = |change: fn(&mut Record)| {
        let mut record = at(Phase::Test, policy());
        change(&mut record);
        reply(record, Reply::Refused).phase
    };
    assert_eq!(back(|r| r.announced = false), Phase::Undo(Undoing::Refuse));
    assert_eq!(
        back(|r| (r.announced, r.doubt) = (false, true)),
        Phase::Undo(Undoing::Quiesce)
    );
    assert_eq!(
        back(|r| (r.announced, r.installed) = (false, false)),
        Phase::Undo(Undoing::Destroy)
    );
    assert_eq!(
        back(|r| (r.announced, r.installed, r.created) = (false, false, false)),
        Phase::Done(Outcome::Abandoned)
    );
    let replace = |r: &mut Record| r.policy.overlap = Overlap::Replace;
    assert_eq!(
        back(|r| r.policy.overlap = Overlap::Replace),
        Phase::Restore(Restoring::Quiesce)
    );
    let mut untouched = at(Phase::Create, policy());
    replace(&mut untouched);
    (untouched.installed, untouched.announced) = (false, false);
    assert_eq!(
        reply(untouched, Reply::Refused).phase,
        Phase::Undo(Undoing::Destroy),
        "the slot was never touched"
    );
    let mut first = at(
        Phase::Test,
        Policy {
            first: true,
            overlap: Overlap::Replace,
            ..policy()
        },
    );
    first.announced = false;
    assert_eq!(
        reply(first, Reply::Refused).phase,
        Phase::Undo(Undoing::Check),
        "there is nothing to restore"
    );
    let restored = at(
        Phase::Restore(Restoring::Check),
        Policy {
            overlap: Overlap::Replace,
            ..policy()
        },
    );
    assert!(matches!(
        reply(restored, YES).phase,
        Phase::Undo(Undoing::Withdraw(_))
    ));
}

#[test]
fn what_was_refused_at_once_need_not_be_changed_back() {
    let install = || {
        let mut policy = policy();
        policy.overlap = Overlap::Replace;
        let mut record = at(Phase::Set(Setting::Install), policy);
        (record.created, record.installed, record.announced) = (true, true, false);
        record
    };
    let refused = reply(install(), Reply::Refused);
    assert_eq!(refused.phase, Phase::Undo(Undoing::Destroy));
    assert!(!refused.installed);
    // A failure that may pass may have come after the change.
    let later = replies(install(), &[Reply::Retry, Reply::Refused]);
    assert_eq!(later.phase, Phase::Restore(Restoring::Quiesce));
    let mut doubtful = install();
    doubtful.doubt = true;
    let doubtful = reply(doubtful, Reply::Refused);
    assert_eq!(doubtful.phase, Phase::Restore(Restoring::Quiesce));
}
