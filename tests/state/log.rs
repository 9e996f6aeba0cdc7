//! The audit log through the real store.

use std::ops::Range;

use keyrota::audit::export::ExportError;
use keyrota::audit::{
    Actor, Checkpoint, Exporter, Format, NewEntry, Phase, Problem, Signers, VerifyingKey,
    verify_export,
};
use keyrota::state::{ExportFailure, StateError, Store};
use uuid::Uuid;

use super::bed::{Bed, at, entry, holder, keys};

pub async fn eight_entries(store: &Store) {
    entries(store, 0..8).await;
}

async fn entries(store: &Store, places: Range<u128>) {
    let lock = store.lock("prod", &holder(1), 5).await.unwrap();
    for i in places {
        let entry = NewEntry::new(
            "rotation.set",
            Phase::Intent,
            Actor::operator("uid:0 root \u{1f511}"),
        )
        .secret("prod", "db")
        .rotation(Uuid::from_u128(i))
        .effect("set", 1);
        store
            .commit(&lock, &[], &[entry], at(1_000 + i64::try_from(i).unwrap()))
            .await
            .unwrap();
    }
    store.release(lock).await.unwrap();
}

pub async fn verify(store: &Store) -> Result<keyrota::audit::Report, StateError> {
    Ok(store.verify(1, &Signers::own(&keys()), &[]).await?.report)
}

pub async fn racing_appends_lose_nothing(bed: &Bed) {
    let stores = [bed.open().await, bed.open().await, bed.open().await];
    let tasks: Vec<_> = (0..9)
        .map(|i| {
            let store = stores[i % 3].clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    store
                        .append(&holder(1), &[entry("a"), entry("b")], at(1))
                        .await
                        .unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let report = verify(&stores[0]).await.unwrap();
    assert_eq!((report.entries, report.findings), (180, vec![]));
}

pub async fn a_sound_log_verifies_and_is_exported(bed: &Bed) {
    let store = bed.open().await;
    assert_eq!(
        verify(&store).await.unwrap().findings,
        [],
        "the empty log is sound, too"
    );
    store.checkpoint().await.unwrap();
    eight_entries(&store).await;
    store.checkpoint().await.unwrap();
    store
        .append(&holder(1), &[entry("daemon.stop")], at(9))
        .await
        .unwrap();
    let report = verify(&store).await.unwrap();
    assert_eq!(
        (
            report.exit_code(),
            report.entries,
            report.vouched,
            report.dangling.len()
        ),
        (0, 9, Some(8), 8)
    );

    let chain = store.head().await.unwrap().chain;
    let key = VerifyingKey::new(chain, keys().public());
    for format in [Format::Jsonl, Format::Csv] {
        for (from, to, entries) in [(1, 9, 9), (3, 7, 5), (9, 9, 1)] {
            let dir = tempfile::tempdir().unwrap();
            let exporter = Exporter::create(dir.path(), format, chain, from).unwrap();
            store.export(exporter, to, &keys()).await.unwrap();
            let report = verify_export(dir.path(), std::slice::from_ref(&key)).unwrap();
            assert_eq!(
                (report.exit_code(), report.entries),
                (0, entries),
                "{:?}",
                report.findings
            );
        }
    }
    // An entry that was asked for and is not there is no shorter export.
    let dir = tempfile::tempdir().unwrap();
    let exporter = Exporter::create(dir.path(), Format::Csv, chain, 9).unwrap();
    let Err(ExportFailure::Export(ExportError::Unsound(report))) =
        store.export(exporter, 10, &keys()).await
    else {
        panic!("it was exported")
    };
    assert_eq!(report.exit_code(), 34);
    assert!(!dir.path().join("manifest.json").exists());
    let latest = store.latest_entries(2).await.unwrap();
    assert_eq!(latest, store.entries(8, 10).await.unwrap());
    assert_eq!(latest.len(), 2);
}

pub async fn entries_cannot_be_changed_by_accident(bed: &Bed) {
    let store = bed.open().await;
    eight_entries(&store).await;
    store.checkpoint().await.unwrap();
    for script in [
        "UPDATE audit SET event = 'x' WHERE seq = 3",
        "DELETE FROM audit WHERE seq = 8",
        "DELETE FROM audit",
        "UPDATE checkpoint SET note = ''",
        "DELETE FROM checkpoint",
        // A second follower of the same entry.
        "INSERT INTO audit SELECT 99, prev_hash, body, body, ts_us, event, env, secret, rotation, mac FROM audit WHERE seq = 8",
    ] {
        assert!(bed.run(script).await.is_err(), "{script}");
    }
    if let Bed::Postgres(..) = bed {
        assert!(bed.run("TRUNCATE audit").await.is_err());
    }
    assert_eq!(verify(&store).await.unwrap().exit_code(), 0);
}

pub async fn every_kind_of_tampering_is_found(bed: &Bed) {
    use Problem::{BadSignature, Copy, Fork, Gap, Modified, Reordered, Shorter};
    let swap = "UPDATE audit SET seq = -4 WHERE seq = 4; UPDATE audit SET seq = 4 WHERE seq = 5;
                UPDATE audit SET seq = 5 WHERE seq = -4;";
    let older = "DELETE FROM audit WHERE seq > 5;
                 UPDATE audit_head SET seq = 5, hash = (SELECT hash FROM audit WHERE seq = 5);";
    let text = |sql: &'static str| match bed {
        Bed::Sqlite(_) => sql
            .replace("bytes(", "CAST(")
            .replace(" as-bytes)", " AS BLOB)"),
        Bed::Postgres(..) => sql
            .replace("bytes(", "convert_to(")
            .replace(" as-bytes)", ", 'UTF8')"),
    };
    let store = bed.open().await;
    entries(&store, 0..5).await;
    bed.run("CREATE TABLE old_head AS SELECT * FROM audit_head")
        .await
        .unwrap();
    entries(&store, 5..8).await;
    let note = store.checkpoint().await.unwrap().note.unwrap();
    bed.tamper(
        "CREATE TABLE sound AS SELECT * FROM audit; CREATE TABLE sound_head AS SELECT * FROM audit_head;
         CREATE TABLE sound_notes AS SELECT * FROM checkpoint;",
    )
    .await;
    let restore = "DELETE FROM audit; INSERT INTO audit SELECT * FROM sound;
                   DELETE FROM audit_head; INSERT INTO audit_head SELECT * FROM sound_head;
                   DELETE FROM checkpoint; INSERT INTO checkpoint SELECT * FROM sound_notes;";
    for (script, seq, problem) in [
        (
            "UPDATE audit SET body = bytes('{}' as-bytes) WHERE seq = 4",
            4,
            Modified,
        ),
        ("UPDATE audit SET hash = body WHERE seq = 4", 4, Modified),
        (
            "UPDATE audit SET prev_hash = body WHERE seq = 4",
            4,
            Modified,
        ),
        ("DELETE FROM audit WHERE seq = 4", 4, Gap),
        ("DELETE FROM audit WHERE seq = 1", 1, Gap),
        ("DELETE FROM audit WHERE seq = 8", 8, Shorter),
        (older, 6, Shorter),
        ("DELETE FROM audit", 1, Shorter),
        (swap, 4, Reordered),
        ("UPDATE audit SET seq = 20 WHERE seq = 4", 4, Reordered),
        ("UPDATE audit SET seq = -1 WHERE seq = 1", 1, Copy),
        ("UPDATE audit SET event = 'other' WHERE seq = 4", 4, Copy),
        ("UPDATE audit SET ts_us = 1 WHERE seq = 4", 4, Copy),
        ("UPDATE audit SET env = NULL WHERE seq = 4", 4, Copy),
        ("UPDATE audit SET secret = 'other' WHERE seq = 4", 4, Copy),
        ("UPDATE audit SET rotation = NULL WHERE seq = 4", 4, Copy),
        (
            "UPDATE audit_head SET hash = (SELECT hash FROM audit WHERE seq = 4)",
            8,
            Copy,
        ),
        ("UPDATE audit_head SET seq = 9", 9, Shorter),
        ("UPDATE audit_head SET seq = 7", 8, Copy),
        (
            "INSERT INTO checkpoint VALUES (3, 'nothing')",
            0,
            BadSignature,
        ),
    ] {
        bed.tamper(&text(script)).await;
        let report = verify(&store).await.unwrap();
        let first = report.findings.first().map(|f| (f.seq, f.problem));
        assert_eq!(
            first,
            Some((seq, problem)),
            "{script}: {:?}",
            report.findings
        );
        bed.tamper(restore).await;
    }

    // At the start of a process one entry is enough to notice it.
    let signed = Checkpoint::of(&store.head().await.unwrap());
    let empty = Checkpoint {
        size: 0,
        hash: keyrota::audit::chain::genesis(signed.chain),
        ..signed.clone()
    };
    assert!(store.fits(&signed).await.unwrap() && store.fits(&empty).await.unwrap());
    // An older copy on which somebody works on is as long as the checkpoint says, and not the same.
    bed.tamper(
        "DELETE FROM audit WHERE seq > 5; DELETE FROM checkpoint;
         DELETE FROM audit_head; INSERT INTO audit_head SELECT * FROM old_head;",
    )
    .await;
    assert!(!store.fits(&signed).await.unwrap(), "shorter");
    let more = [entry("a"), entry("b"), entry("c"), entry("d")];
    let other = store.clone().vouched(&keys(), None);
    other.append(&holder(2), &more, at(5)).await.unwrap();
    assert!(!store.fits(&signed).await.unwrap() && store.fits(&empty).await.unwrap());
    let verified = store.verify(1, &Signers::own(&keys()), &[note]).await;
    let report = verified.unwrap().report;
    let found: Vec<_> = report.findings.iter().map(|f| (f.seq, f.problem)).collect();
    assert_eq!(found, [(8, Fork)]);
}
