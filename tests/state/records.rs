//! Records and locks.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use keyrota::state::{
    Acknowledged, Change, LockError, Outcome, Rotation, Running, Secret, StateError,
};
use uuid::Uuid;

use super::bed::{Bed, at, entry, holder, rotation};

pub async fn everything_is_read_as_it_was_written(bed: &Bed) {
    let store = bed.open().await;
    let lock = store.lock("prod", &holder(1), 5).await.unwrap();
    let full = Secret {
        version: Some(Uuid::from_u128(7)),
        native: Some("v3".to_owned()),
        fingerprint: Some("hfp1:k:X".to_owned()),
        changed_ms: Some(77),
        turn_done: Some("2026-11-29T03:00".to_owned()),
        failures: 2,
        ..Secret::new("prod", "db", "postgres", 70)
    };
    let bare = Secret::new("prod", "a'b\"$1", "jwt", 71);
    let begun = Rotation {
        account: Some("db:5432 app".to_owned()),
        reason: Some("asked \u{1f511}".to_owned()),
        version: Some(Uuid::from_u128(8)),
        fingerprint: Some("hfp1:k:Y".to_owned()),
        record: r#"{"phase":"set"}"#.to_owned(),
        ..rotation(9, "db")
    };
    let acknowledged = Acknowledged {
        env: "prod".to_owned(),
        secret: "db".to_owned(),
        consumer: "app1".to_owned(),
        rotation: Some(begun.id),
        round: "switch".to_owned(),
        exposure_fp: "hfp1:k:Z".to_owned(),
        acked_ms: 80,
    };
    let outside = Acknowledged {
        consumer: "app0".to_owned(),
        rotation: None,
        ..acknowledged.clone()
    };
    let changes = [
        Change::PutSecret(full.clone()),
        Change::PutSecret(bare.clone()),
        Change::InsertRotation(begun.clone()),
        Change::PutDelivery(acknowledged.clone()),
        Change::PutDelivery(outside.clone()),
        Change::PutFact {
            key: "digest".to_owned(),
            value: "1".to_owned(),
        },
    ];
    store.commit(&lock, &changes, &[], at(1)).await.unwrap();
    store.close().await;

    let store = bed.open().await;
    assert_eq!(
        store.secret("prod", "db").await.unwrap(),
        Some(full.clone())
    );
    assert_eq!(store.secret("dev", "db").await.unwrap(), None);
    assert_eq!(store.secrets("prod").await.unwrap(), [bare, full.clone()]);
    assert_eq!(
        store.open_rotation("prod", "db").await.unwrap(),
        Some(begun.clone())
    );
    assert_eq!(store.rotation(begun.id).await.unwrap(), Some(begun.clone()));
    assert_eq!(
        store.deliveries("prod", "db").await.unwrap(),
        [outside.clone(), acknowledged]
    );
    assert_eq!(store.fact("digest").await.unwrap().as_deref(), Some("1"));

    let done = Rotation {
        outcome: Some(Outcome::Rotated),
        ended_ms: Some(9_999),
        phase: "done".to_owned(),
        ..begun
    };
    let changes = [
        Change::UpdateRotation(done.clone()),
        Change::PutSecret(Secret {
            first_seen_ms: 1,
            failures: 0,
            ..full.clone()
        }),
        Change::DropDelivery {
            env: "prod".to_owned(),
            secret: "db".to_owned(),
            consumer: "app1".to_owned(),
        },
        Change::PutFact {
            key: "digest".to_owned(),
            value: "2".to_owned(),
        },
        Change::InsertRotation(rotation(10, "db")),
    ];
    store.commit(&lock, &changes, &[], at(2)).await.unwrap();
    let first = Rotation {
        revision: 1,
        ..done
    };
    assert_eq!(
        store.rotations("prod", "db", 9).await.unwrap(),
        [rotation(10, "db"), first]
    );
    assert_eq!(
        store.rotations("prod", "db", 1).await.unwrap(),
        [rotation(10, "db")]
    );
    assert_eq!(
        store.open_rotations("prod").await.unwrap(),
        [rotation(10, "db")]
    );
    let seen = store.secret("prod", "db").await.unwrap().unwrap();
    assert_eq!(
        (seen.first_seen_ms, seen.failures),
        (70, 0),
        "when it was first seen never changes"
    );
    assert_eq!(store.deliveries("prod", "db").await.unwrap(), [outside]);
    assert_eq!(store.fact("digest").await.unwrap().as_deref(), Some("2"));
}

pub async fn a_commit_stands_whole_or_not_at_all(bed: &Bed) {
    let store = bed.open().await;
    let lock = store.lock("prod", &holder(1), 5).await.unwrap();
    let before = store.head().await.unwrap();
    let changes = [
        Change::PutFact {
            key: "a".to_owned(),
            value: "1".to_owned(),
        },
        Change::InsertRotation(rotation(1, "db")),
        Change::UpdateRotation(rotation(2, "other")), // there is none
    ];
    let result = store
        .commit(&lock, &changes, &[entry("rotation.set")], at(1))
        .await;
    assert_eq!(result, Err(StateError::Stale));
    assert_eq!(store.fact("a").await.unwrap(), None);
    assert_eq!(store.open_rotations("prod").await.unwrap(), []);
    assert_eq!(store.head().await.unwrap(), before);

    let head = store
        .commit(&lock, &changes[..2], &[entry("rotation.set")], at(1))
        .await
        .unwrap();
    assert_eq!((head.size, store.head().await.unwrap()), (1, head));
    assert_eq!(store.fact("a").await.unwrap().as_deref(), Some("1"));
}

pub async fn one_rotation_under_way_per_secret_and_per_account(bed: &Bed) {
    let store = bed.open().await;
    let lock = store.lock("prod", &holder(1), 5).await.unwrap();
    let on = |id, secret, account: &str| {
        Change::InsertRotation(Rotation {
            account: Some(account.to_owned()),
            ..rotation(id, secret)
        })
    };
    let commit = |change| {
        let (store, lock) = (&store, &lock);
        async move { store.commit(lock, &[change], &[], at(1)).await.map(|_| ()) }
    };
    commit(on(1, "db", "app")).await.unwrap();
    assert_eq!(
        commit(on(2, "db", "other")).await,
        Err(StateError::Running(Running::Secret))
    );
    assert_eq!(
        commit(on(3, "db2", "app")).await,
        Err(StateError::Running(Running::Account))
    );
    commit(on(4, "db2", "app2")).await.unwrap();
    // An account may also be found out later.
    let moved = Rotation {
        account: Some("app".to_owned()),
        ..rotation(4, "db2")
    };
    assert_eq!(
        commit(Change::UpdateRotation(moved)).await,
        Err(StateError::Running(Running::Account))
    );

    let ended = Rotation {
        outcome: Some(Outcome::Abandoned),
        ended_ms: Some(5),
        ..rotation(1, "db")
    };
    commit(Change::UpdateRotation(ended)).await.unwrap();
    commit(on(5, "db", "app")).await.unwrap();
}

pub async fn an_ended_or_moved_rotation_cannot_be_written(bed: &Bed) {
    let store = bed.open().await;
    let lock = store.lock("prod", &holder(1), 5).await.unwrap();
    let write = |change| {
        let (store, lock) = (&store, &lock);
        async move { store.commit(lock, &[change], &[], at(1)).await.map(|_| ()) }
    };
    let mut r = rotation(1, "db");
    write(Change::InsertRotation(r.clone())).await.unwrap();
    write(Change::UpdateRotation(r.clone())).await.unwrap();
    assert_eq!(
        write(Change::UpdateRotation(r.clone())).await,
        Err(StateError::Stale),
        "read before the last write"
    );
    r.revision = 1;
    r.outcome = Some(Outcome::Rotated);
    r.ended_ms = Some(5);
    write(Change::UpdateRotation(r.clone())).await.unwrap();
    r.revision = 2;
    assert_eq!(
        write(Change::UpdateRotation(r)).await,
        Err(StateError::Stale),
        "it has ended"
    );
}

pub async fn facts_can_be_claimed_once(bed: &Bed) {
    let store = bed.open().await;
    let lock = store.lock("prod", &holder(1), 5).await.unwrap();
    let claim = |value: &str| Change::ClaimFact {
        key: "document".to_owned(),
        value: value.to_owned(),
    };
    for (value, expected) in [
        ("ops-1", Ok(())),
        ("ops-1", Ok(())),
        ("ops-2", Err(StateError::Claimed("document".to_owned()))),
    ] {
        assert_eq!(
            store
                .commit(&lock, &[claim(value)], &[], at(1))
                .await
                .map(|_| ()),
            expected
        );
    }
    assert_eq!(
        store.fact("document").await.unwrap().as_deref(),
        Some("ops-1")
    );
}

pub async fn a_lock_has_one_holder_and_its_epoch_only_grows(bed: &Bed) {
    let (store, other) = (bed.open().await, bed.open().await);
    assert_eq!(store.held("prod").await.unwrap(), None);
    let mut last = 0;
    for round in 0..3 {
        let lock = store.lock("prod", &holder(7), 5).await.unwrap();
        assert!(lock.epoch() > last, "{round}");
        last = lock.epoch();
        for asker in [&store, &other] {
            let Err(LockError::Held(held)) = asker.lock("prod", &holder(8), 5).await else {
                panic!("{round}")
            };
            assert_eq!((held.host.as_str(), held.pid), ("ops-1", 7));
        }
        assert_eq!(other.held("prod").await.unwrap().map(|h| h.pid), Some(7));
        other
            .lock("staging", &holder(8), 5)
            .await
            .map(|l| assert_eq!(l.epoch(), round + 1))
            .unwrap();
        bed.usurp("staging").await; // nobody released it
        store.renew(&lock, 6).await.unwrap();
        store.release(lock).await.unwrap();
        assert_eq!(other.held("prod").await.unwrap(), None);
    }
}

pub async fn of_many_lockers_one_wins(bed: &Bed) {
    let stores = [bed.open().await, bed.open().await];
    for round in 1..4 {
        let tasks: Vec<_> = (0..8)
            .map(|i| {
                let store = stores[i % 2].clone();
                tokio::spawn(async move {
                    store
                        .lock("prod", &holder(u32::try_from(i).unwrap()), 5)
                        .await
                })
            })
            .collect();
        let mut won = Vec::new();
        for task in tasks {
            match task.await.unwrap() {
                Ok(lock) => won.push(lock),
                Err(LockError::Held(_)) => {}
                Err(e) => panic!("{e}"),
            }
        }
        assert_eq!(won.len(), 1);
        let lock = won.pop().unwrap();
        assert_eq!(lock.epoch(), round);
        stores[0].release(lock).await.unwrap();
    }
}

pub async fn a_waiting_locker_gets_its_turn(bed: &Bed) {
    let store = bed.open().await;
    let lock = store.lock("prod", &holder(1), 5).await.unwrap();
    let poll = Duration::from_millis(5);
    let ticks = AtomicI64::new(0);
    let now = || ticks.fetch_add(1, Ordering::Relaxed);
    let late = store
        .lock_wait("prod", &holder(2), &now, poll, Some(6))
        .await;
    assert!(
        matches!(late, Err(LockError::Held(_))) && (6..12).contains(&ticks.load(Ordering::Relaxed)),
        "{late:?}"
    );

    let waiting = {
        let store = bed.open().await;
        tokio::spawn(async move { store.lock_wait("prod", &holder(2), &|| 5, poll, None).await })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    store.release(lock).await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().holder().pid, 2);
}

pub async fn whoever_lost_the_lock_commits_nothing(bed: &Bed) {
    let store = bed.open().await;
    let lost = store.lock("prod", &holder(1), 5).await.unwrap();
    bed.usurp("prod").await;
    // Nobody took it over yet: it still protects.
    store.renew(&lost, 6).await.unwrap();
    bed.usurp("prod").await;
    let lock = store.lock("prod", &holder(2), 5).await.unwrap();
    assert!(lock.epoch() > lost.epoch());

    let change = [Change::PutFact {
        key: "a".to_owned(),
        value: "1".to_owned(),
    }];
    let before = store.head().await.unwrap();
    assert_eq!(
        store.commit(&lost, &change, &[entry("x")], at(1)).await,
        Err(StateError::Fenced)
    );
    assert_eq!(store.renew(&lost, 6).await, Err(StateError::Fenced));
    assert_eq!(
        (store.fact("a").await.unwrap(), store.head().await.unwrap()),
        (None, before)
    );
    store.release(lost).await.unwrap(); // must not release what is not ours
    store
        .commit(&lock, &change, &[entry("x")], at(1))
        .await
        .unwrap();

    // The same holder that lost a lock and took it again is another holder, too.
    store.release(lock).await.unwrap();
    let first = store.lock("prod", &holder(3), 5).await.unwrap();
    bed.usurp("prod").await;
    let again = store.lock("prod", &holder(3), 5).await.unwrap();
    assert_eq!(
        store.commit(&first, &change, &[], at(1)).await,
        Err(StateError::Fenced)
    );
    store.commit(&again, &change, &[], at(1)).await.unwrap();
}

pub async fn many_may_start_at_once(bed: &Bed) {
    let start = async || bed.open().await.head().await.unwrap().chain;
    let chains: [Uuid; 6] =
        tokio::join!(start(), start(), start(), start(), start(), start()).into();
    assert!(chains.iter().all(|c| *c == chains[0]), "{chains:?}");
}

pub async fn reading_creates_nothing_and_writes_nothing(bed: &Bed) {
    assert_eq!(
        bed.try_open(true).await.map(|_| ()),
        Err(StateError::Missing)
    );
    let store = bed.open().await;
    let lock = store.lock("prod", &holder(1), 5).await.unwrap();
    store
        .commit(
            &lock,
            &[Change::InsertRotation(rotation(1, "db"))],
            &[entry("x")],
            at(1),
        )
        .await
        .unwrap();

    // While somebody holds the lock, and while their changes are not folded into the file yet.
    let reader = bed.try_open(true).await.unwrap();
    assert_eq!(reader.open_rotations("prod").await.unwrap().len(), 1);
    assert_eq!(reader.held("prod").await.unwrap().map(|h| h.pid), Some(1));
    assert_eq!(
        reader.append(&holder(2), &[entry("x")], at(1)).await,
        Err(StateError::ReadOnly)
    );
    assert!(matches!(
        reader.lock("other", &holder(2), 5).await,
        Err(LockError::State(StateError::ReadOnly))
    ));
    store
        .append(&holder(1), &[entry("x")], at(1))
        .await
        .unwrap();
    assert_eq!(reader.head().await.unwrap().size, 2);

    // And when the last writer is gone.
    store.close().await;
    reader.close().await;
    assert_eq!(
        bed.try_open(true).await.unwrap().head().await.unwrap().size,
        2
    );
}

pub async fn a_newer_schema_is_left_alone(bed: &Bed) {
    bed.open().await.close().await;
    bed.run("INSERT INTO schema_version VALUES (99)")
        .await
        .unwrap();
    for read_only in [true, false] {
        let e = bed.try_open(read_only).await.unwrap_err();
        assert_eq!(
            e,
            StateError::Newer {
                found: 99,
                known: 1
            }
        );
    }
    bed.run("DELETE FROM schema_version WHERE version > 0")
        .await
        .unwrap();
    let e = bed.try_open(true).await.unwrap_err();
    assert_eq!(e, StateError::Older { found: 0, known: 1 });
}
