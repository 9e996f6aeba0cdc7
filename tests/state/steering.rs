//! Somebody who may write to the database, and has not the seed, steers a rotation.

use keyrota::audit::{Actor, NewEntry, Phase, Problem};
use keyrota::state::{ACCEPTED, Change, Rotation, StateError, Store};

use super::bed::{Bed, at, entry, holder, keys, rotation};
use super::log::verify;

const CLOCK: &str = "clock/prod";
const SAVE: &str = "CREATE TABLE sound_rotations AS SELECT * FROM rotation; CREATE TABLE sound_facts AS SELECT * FROM facts;
     CREATE TABLE sound_head AS SELECT * FROM audit_head;";
const RESTORE: &str = "DELETE FROM rotation; INSERT INTO rotation SELECT * FROM sound_rotations;
     DELETE FROM facts; INSERT INTO facts SELECT * FROM sound_facts;
     DELETE FROM audit_head; INSERT INTO audit_head SELECT * FROM sound_head;";

/// What is refused of the rotation, and of the trusted time.
async fn refused(store: &Store) -> (bool, bool) {
    let altered = |e: Option<StateError>| match e {
        None => false,
        Some(StateError::Altered(_)) => true,
        Some(other) => panic!("{other:?}"),
    };
    let rotation = store.open_rotation("prod", "db").await.err();
    (altered(rotation), altered(store.fact(CLOCK).await.err()))
}

/// A rotation under way, and the time that is trusted.
async fn begun(store: &Store) -> keyrota::state::Lock {
    let lock = store.lock("prod", &holder(1), 5).await.unwrap();
    let changes = [Change::InsertRotation(rotation(1, "db")), trusted("1000")];
    let begun = store.commit(&lock, &changes, &[entry("a")], at(1)).await;
    begun.unwrap();
    lock
}

fn trusted(value: &str) -> Change {
    Change::PutFact {
        key: CLOCK.to_owned(),
        value: value.to_owned(),
    }
}

/// While it waits keyrota does not believe a clock that jumps.
pub async fn a_rotation_that_is_taken_away_is_still_under_way(bed: &Bed) {
    let store = bed.open().await;
    begun(&store).await;
    let under_way = async |env: &str| {
        store
            .under_way(env)
            .await
            .unwrap()
            .into_iter()
            .collect::<Vec<_>>()
    };
    assert_eq!(under_way("prod").await, ["db"]);
    assert!(under_way("pro").await.is_empty());
    bed.run(SAVE).await.unwrap();
    bed.run("DELETE FROM rotation").await.unwrap();
    assert_eq!(under_way("prod").await, ["db"]);
    bed.run(RESTORE).await.unwrap();
    bed.run("UPDATE rotation SET env = 'other'").await.unwrap();
    assert_eq!(under_way("prod").await, ["db"]);
    assert_eq!(under_way("other").await, ["db"]);
}

pub async fn a_row_that_keyrota_did_not_write_steers_nothing(bed: &Bed) {
    let store = bed.open().await;
    begun(&store).await;
    assert_eq!(refused(&store).await, (false, false));
    assert_eq!(verify(&store).await.unwrap().findings, []);
    bed.run(SAVE).await.unwrap();
    for (script, found) in [
        (
            "UPDATE rotation SET record = '{\"until\":0}'",
            (true, false),
        ),
        ("UPDATE rotation SET phase = 'retire'", (true, false)),
        ("UPDATE rotation SET actor = 'else'", (true, false)),
        ("UPDATE rotation SET revision = 7", (true, false)),
        ("UPDATE rotation SET secret = 'other'", (true, false)),
        (
            "UPDATE rotation SET outcome = 'abandoned', ended_ms = 2",
            (true, false),
        ),
        ("DELETE FROM rotation", (true, false)),
        (
            "UPDATE facts SET value = '2000' WHERE key = 'clock/prod'",
            (false, true),
        ),
        ("DELETE FROM facts WHERE key = 'clock/prod'", (false, true)),
    ] {
        bed.run(script).await.unwrap();
        assert_eq!(refused(&store).await, found, "{script}");
        let report = verify(&store).await.unwrap();
        assert_eq!(report.findings[0].problem, Problem::Unvouched, "{script}");
        bed.run(RESTORE).await.unwrap();
    }
    // The head says which rows are genuine, so nothing follows a head that is not.
    for script in [
        "UPDATE audit_head SET named = '{}'",
        "UPDATE audit_head SET mac = hash",
        "UPDATE audit_head SET named = '{}', mac = substr(mac, 1, 0)",
    ] {
        bed.run(script).await.unwrap();
        let read = store.open_rotation("prod", "db").await.map(drop);
        let written = store
            .append(&holder(1), &[entry("b")], at(2))
            .await
            .map(drop);
        let started = store.prove().await;
        for done in [read, written, started] {
            let Err(StateError::Unvouched(found)) = done else {
                panic!("{script}: {done:?}");
            };
            assert_eq!(
                (found.seq, found.problem),
                (1, Problem::Unvouched),
                "{script}"
            );
        }
        bed.run(RESTORE).await.unwrap();
    }
    assert_eq!(refused(&store).await, (false, false));
}

pub async fn a_row_of_an_earlier_time_cannot_be_put_back(bed: &Bed) {
    let store = bed.open().await;
    let lock = begun(&store).await;
    bed.run(SAVE).await.unwrap();
    let later = [
        Change::UpdateRotation(Rotation {
            record: "{\"until\":9}".to_owned(),
            ..rotation(1, "db")
        }),
        trusted("2000"),
    ];
    let moved = store.commit(&lock, &later, &[entry("b")], at(2)).await;
    moved.unwrap();
    assert_eq!(refused(&store).await, (false, false));
    for (script, found) in [
        (
            "DELETE FROM rotation; INSERT INTO rotation SELECT * FROM sound_rotations",
            (true, false),
        ),
        (
            "DELETE FROM facts; INSERT INTO facts SELECT * FROM sound_facts",
            (true, true),
        ),
    ] {
        bed.run(script).await.unwrap();
        assert_eq!(refused(&store).await, found, "{script}");
    }
    // Nor with the names and the MAC of that time beside it.
    bed.run(
        "UPDATE audit_head SET named = (SELECT named FROM sound_head), mac = (SELECT mac FROM sound_head)",
    )
    .await
    .unwrap();
    let read = store.open_rotation("prod", "db").await;
    assert!(matches!(read, Err(StateError::Unvouched(_))), "{read:?}");
}

pub async fn what_a_person_accepts_steers_again_but_for_requests(bed: &Bed) {
    let store = bed.open().await;
    begun(&store).await;
    let accept = async || {
        let entry = NewEntry::new(ACCEPTED, Phase::Admin, Actor::operator("uid:0"));
        store.accept(&holder(1), entry, at(9)).await.unwrap()
    };
    assert!(accept().await.is_none(), "nothing is wrong");
    for script in [
        "UPDATE rotation SET phase = 'retire'; UPDATE facts SET value = '7' WHERE key = 'clock/prod'",
        "UPDATE audit_head SET mac = hash",
        "INSERT INTO facts VALUES ('request/prod/db', 'x')",
    ] {
        bed.run(script).await.unwrap();
        assert!(accept().await.is_some(), "{script}");
        assert_eq!(refused(&store).await, (false, false), "{script}");
        assert_eq!(store.asked("request/prod/db").await.unwrap(), None);
        let anew = store.clone().vouched(&keys(), None);
        assert_eq!(anew.prove().await, Ok(()));
        assert_eq!(verify(&store).await.unwrap().findings, []);
    }
    let seen = store.open_rotation("prod", "db").await.unwrap().unwrap();
    assert_eq!(seen.phase, "retire");
    assert!(accept().await.is_none());
}
