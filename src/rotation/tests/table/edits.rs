//! A schedule that is edited in the middle of a rotation: the phase it leads to.

use keyrota_rotation::{Change, Edit};

use super::*;

const MOMENT: Moment = Moment { now: NOW, dice: 0 };

fn listener(key: &str) -> Listener {
    Listener {
        key: key.into(),
        required: true,
        definition: "1".into(),
    }
}

/// `a` and `b` are notified.
fn ab() -> Policy {
    Policy {
        listeners: vec![listener("a"), listener("b")],
        ..policy()
    }
}

/// Another consumer before `a`, which every wait has to hear of.
fn with_new() -> Policy {
    Policy {
        listeners: vec![listener("new"), listener("a"), listener("b")],
        ..policy()
    }
}

fn adopt(phase: Phase, edited: &Policy) -> Record {
    at(phase, ab()).adopt(edited, MOMENT).0
}

/// The states of a round, in its order.
fn round(phase: &Phase) -> Vec<(&str, Told)> {
    let round = phase.telling().map(|telling| telling.0.as_slice());
    let all = round.unwrap_or_default().iter();
    all.map(|(l, told)| (l.key.as_str(), *told)).collect()
}

fn complete() -> Telling {
    Telling(
        ab().listeners
            .into_iter()
            .map(|l| (l, Told::Acknowledged))
            .collect(),
    )
}

#[test]
fn a_new_listener_is_notified_in_the_round_that_its_phase_relies_on() {
    let until = Time(NOW.0 + 10);
    let late = [
        ("new", Told::Again),
        ("a", Told::Acknowledged),
        ("b", Told::Acknowledged),
    ];
    for (phase, leads_to) in [
        (Phase::Announce(Announcing::Tell(complete())), "announce"),
        (Phase::Announce(Announcing::Observe), "announce"),
        (Phase::Settle { since: NOW, until }, "announce"),
        (Phase::Finish(Finishing::Promote), "finish"),
        (Phase::Switch(complete()), "switch"),
        (Phase::Confirm, "switch"),
        (Phase::Grace { since: NOW, until }, "switch"),
        (Phase::Retire(Retiring::Withdraw(complete())), "switch"),
        (Phase::Retire(Retiring::Refuse), "switch"),
        (Phase::Undo(Undoing::Withdraw(complete())), "undo"),
    ] {
        let adopted = adopt(phase.clone(), &with_new());
        assert_eq!(adopted.phase.name(), leads_to, "{phase:?}");
        // Those that acknowledged the end of the old value may have dropped it.
        let all = ["new", "a", "b"].map(|key| (key, Told::Due));
        let expected = if phase.name() == "retire" { all } else { late };
        assert_eq!(round(&adopted.phase), expected, "{phase:?}");
        let stuck = Phase::Stuck {
            was: Box::new(phase.clone()),
        };
        let adopted = adopt(stuck, &with_new());
        assert_eq!(adopted.phase.name(), "stuck", "a person still looks");
        let resumed = decide(&adopted, Decision::Resume).unwrap();
        assert_eq!(resumed.phase.name(), leads_to, "{phase:?}");
    }
    // Nobody has been notified yet, or nobody needs to be.
    for phase in [Phase::Create, Phase::Test, Phase::Undo(Undoing::Refuse)] {
        assert_eq!(adopt(phase.clone(), &with_new()).phase, phase);
    }
}

/// A read that lags says that the promote had no effect, and the schedule names a new listener.
#[test]
fn no_candidate_is_taken_back_on_one_look_that_may_lag() {
    let probed = |answer: Probed| Event::Reply(Reply::Probed(answer));
    let announces = Policy {
        announce: true,
        ..ab()
    };
    let edited = Policy {
        announce: true,
        ..with_new()
    };
    let promote = at(Phase::Finish(Finishing::Promote), announces).begin();
    let doubtful = promote.step(Event::Reply(Reply::Lost), MOMENT).unwrap();
    let late = doubtful.adopt(&edited, MOMENT).0;
    let told = late.begin().step(probed(Probed::Rejected), MOMENT).unwrap();
    assert_eq!(told.phase.name(), "announce");
    let refused = told.begin().step(Event::Reply(Reply::Refused), MOMENT);
    let looks = refused.unwrap();
    assert_eq!(looks.phase, Phase::Finish(Finishing::Observe));
    let current = looks.clone().begin().step(probed(Probed::Accepted), MOMENT);
    assert_eq!(current.unwrap().phase.name(), "switch");
    let not = looks
        .begin()
        .step(probed(Probed::Rejected), MOMENT)
        .unwrap();
    assert!(matches!(not.phase.name(), "restore" | "undo"), "{not:?}");
}

#[test]
fn no_wait_begins_again_after_the_old_value_began_to_end() {
    for flag in [(|r: &mut Record| r.ending = true) as fn(&mut Record), |r| {
        r.hurried = true
    }] {
        for step in [
            Retiring::Withdraw(complete()),
            Retiring::Refuse,
            Retiring::Check,
        ] {
            let mut record = at(Phase::Retire(step), ab());
            flag(&mut record);
            let adopted = record.adopt(&with_new(), MOMENT).0;
            assert_eq!(adopted.phase.name(), "retire");
            assert_eq!(round(&adopted.phase)[0], ("new", Told::Again));
        }
    }
    let grace = Phase::Grace {
        since: NOW,
        until: Time(NOW.0 + 10),
    };
    let retired = decide(&at(grace, ab()), Decision::RetireNow).unwrap();
    let adopted = retired.adopt(&with_new(), MOMENT).0;
    assert_eq!(adopted.phase.name(), "retire", "a person ended the grace");
}

#[test]
fn listeners_behind_a_new_one_are_notified_again() {
    let mut record = adopt(
        Phase::Grace {
            since: NOW,
            until: NOW,
        },
        &with_new(),
    );
    record = record
        .begin()
        .step(Event::Reply(Reply::Done), MOMENT)
        .unwrap();
    let again = [
        ("new", Told::Acknowledged),
        ("a", Told::Due),
        ("b", Told::Due),
    ];
    assert_eq!(round(&record.phase), again);
}

#[test]
fn a_removed_listener_is_waited_for_no_longer() {
    let only_b = Policy {
        listeners: vec![listener("b")],
        ..policy()
    };
    let mut failing = complete();
    failing.0[0].1 = Told::Again;
    let adopted = adopt(Phase::Switch(failing.clone()), &only_b);
    assert_eq!(adopted.phase.name(), "grace");
    failing.0[0].1 = Told::Refused;
    let stuck = Phase::Stuck {
        was: Box::new(Phase::Switch(failing)),
    };
    let adopted = adopt(stuck, &only_b);
    assert_eq!(
        decide(&adopted, Decision::Resume).unwrap().phase.name(),
        "grace"
    );
}

#[test]
fn a_confirmation_is_asked_for_once() {
    let asks = |policy: Policy| Policy {
        confirm: true,
        ..policy
    };
    let confirmed = decide(&at(Phase::Confirm, asks(ab())), Decision::Confirm).unwrap();
    let mut record = confirmed.adopt(&asks(with_new()), MOMENT).0;
    assert_eq!(record.phase.name(), "switch");
    while record.phase.name() == "switch" {
        record = record
            .begin()
            .step(Event::Reply(Reply::Done), MOMENT)
            .unwrap();
    }
    assert_eq!(record.phase.name(), "grace");
}

#[test]
fn what_counts_as_an_edit_of_a_listener() {
    let but = |edit: fn(&mut Vec<Listener>)| {
        let mut edited = ab();
        edit(&mut edited.listeners);
        let (_, edits) = at(Phase::Confirm, ab()).adopt(&edited, MOMENT);
        edits
    };
    let edits = |listener: &str, change| {
        let listener = listener.to_owned();
        vec![Edit { listener, change }]
    };
    assert_eq!(but(|_| ()), []);
    assert_eq!(but(|l| l.reverse()), []);
    assert_eq!(but(|l| l[0].required = false), []);
    assert_eq!(but(|l| drop(l.remove(0))), edits("a", Change::Removed));
    assert_eq!(but(|l| l.push(listener("c"))), edits("c", Change::Added));
    assert_eq!(
        but(|l| l[1].definition.clear()),
        edits("b", Change::Changed)
    );
    // The rotation may have gone on without one that was optional.
    let mut optional = ab();
    optional.listeners[1].required = false;
    let (_, found) = at(Phase::Confirm, optional).adopt(&ab(), MOMENT);
    assert_eq!(found, edits("b", Change::Changed));
}
