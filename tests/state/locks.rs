//! Who rotates.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use keyrota::state::{Change, LockError, StateError};

use super::bed::{Bed, at, entry, holder};

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

/// One takes the head of the log and the fact in the order in which the other does.
pub async fn a_request_and_a_commit_never_wait_for_each_other(bed: &Bed) {
    let store = bed.open().await;
    let lock = store.lock("prod", &holder(1), 5).await.unwrap();
    let key = "request/prod/db";
    let asking = bed.open().await;
    let asks = tokio::spawn(async move {
        for _ in 0..60 {
            let left = entry("request.resume");
            asking.ask(&holder(2), key, "x", &left, at(1)).await?;
        }
        Ok::<_, StateError>(())
    });
    let taken = [Change::DropFact {
        key: key.to_owned(),
    }];
    for _ in 0..60 {
        let done = store.commit(&lock, &taken, &[entry("x")], at(1)).await;
        done.unwrap();
    }
    asks.await.unwrap().unwrap();
}
