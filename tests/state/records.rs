//! Records, and the opening of their database.

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
