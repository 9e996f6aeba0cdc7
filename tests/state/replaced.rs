//! The state is another one than the one that was signed: older, cut, patched, or new.

use std::path::Path;

use keyrota::audit::{Actor, Checkpoint, Head, NewEntry, Phase, Problem, Signers, anchors};
use keyrota::state::{ACCEPTED, Acceptance, StateError, Store};
use uuid::Uuid;

use super::bed::{Bed, at, entry, holder, keys};

/// Twelve entries, signed at 4, 8 and 12, in the state and outside it.
async fn signed(bed: &Bed, store: &Store, outside: &Path) -> Vec<String> {
    let mut notes = Vec::new();
    for _ in 0..3 {
        bed.run(OLD_HEAD).await.unwrap();
        let four = ["a", "b", "c", "d"].map(entry);
        store.append(&holder(1), &four, at(1)).await.unwrap();
        let note = store.checkpoint().await.unwrap().note.unwrap();
        anchors::append(outside, "ops-1", &note).unwrap();
        notes.push(note);
    }
    notes
}

/// The store as another process has it, which wrote nothing yet.
fn anew(store: &Store, outside: &Path) -> Store {
    store.clone().vouched(&keys(), Some(outside))
}

async fn refused(store: &Store, outside: &Path) -> Option<(i64, Problem)> {
    match anew(store, outside).prove().await {
        Ok(()) => None,
        Err(StateError::Unvouched(f)) => Some((f.seq, f.problem)),
        Err(e) => panic!("{e:?}"),
    }
}

async fn verified(store: &Store, outside: &Path) -> u8 {
    let notes = anchors::read(outside).unwrap().notes();
    let verified = store.verify(1, &Signers::own(&keys()), &notes).await;
    verified.unwrap().report.exit_code()
}

async fn accept(store: &Store, outside: &Path) -> Option<Acceptance> {
    let entry = NewEntry::new(ACCEPTED, Phase::Admin, Actor::operator("uid:0")).reason("CHG-1");
    let accepted = anew(store, outside)
        .accept(&holder(1), entry, at(9))
        .await
        .unwrap()?;
    anchors::append(outside, "ops-1", &accepted.note).unwrap();
    Some(accepted)
}

/// The head as it is before the last four entries.
const OLD_HEAD: &str =
    "DROP TABLE IF EXISTS old_head; CREATE TABLE old_head AS SELECT * FROM audit_head;";
/// The eight entries of then, with their head and checkpoints, as a copy of the database has them.
const OLD_COPY: &str = "DELETE FROM audit WHERE seq > 8; DELETE FROM checkpoint WHERE size > 8;
     DELETE FROM audit_head; INSERT INTO audit_head SELECT * FROM old_head;";
const SAVE: &str =
    "CREATE TABLE sound AS SELECT * FROM audit; CREATE TABLE sound_head AS SELECT * FROM audit_head;
     CREATE TABLE sound_notes AS SELECT * FROM checkpoint;";
const RESTORE: &str = "DELETE FROM audit; INSERT INTO audit SELECT * FROM sound;
     DELETE FROM audit_head; INSERT INTO audit_head SELECT * FROM sound_head;
     DELETE FROM checkpoint; INSERT INTO checkpoint SELECT * FROM sound_notes;";

/// What is done to the database, with what is found at once, if anything is, and the audit's code.
fn table() -> Vec<(String, Option<(i64, Problem)>)> {
    let older = |size: i64| {
        format!(
            "DELETE FROM audit WHERE seq > {size}; DELETE FROM checkpoint WHERE size > {size};
             UPDATE audit_head SET seq = {size}, hash = (SELECT hash FROM audit WHERE seq = {size});"
        )
    };
    let swap = |a: i64, b: i64| {
        format!(
            "UPDATE audit SET seq = -1 WHERE seq = {a}; UPDATE audit SET seq = {a} WHERE seq = {b};
             UPDATE audit SET seq = {b} WHERE seq = -1;"
        )
    };
    let mut table = vec![
        // Another log, as long as the one that was signed.
        (
            format!("UPDATE audit_head SET chain = '{}'", Uuid::from_u128(9)),
            Some((0, Problem::Fork)),
        ),
        // A new one.
        (
            format!(
                "DELETE FROM audit; DELETE FROM checkpoint; UPDATE audit_head SET seq = 0, chain = '{}'",
                Uuid::from_u128(9)
            ),
            Some((0, Problem::Fork)),
        ),
    ];
    for size in 4..12 {
        table.push((older(size), Some((12, Problem::Shorter))));
    }
    for seq in 1..12 {
        let script = format!("DELETE FROM audit WHERE seq = {seq}");
        table.push((script, Some((seq, Problem::Gap))));
        let script = swap(seq, seq % 11 + 1);
        let first = seq.min(seq % 11 + 1).max(2);
        table.push((script, Some((first, Problem::Modified))));
    }
    table
}

pub async fn a_replaced_state_is_never_gone_on_with(bed: &Bed) {
    let outside = tempfile::tempdir().unwrap();
    let outside = outside.path();
    let store = bed.open().await;
    signed(bed, &store, outside).await;
    bed.tamper(SAVE).await;
    assert_eq!(refused(&store, outside).await, None);
    for (script, found) in table() {
        bed.tamper(&script).await;
        assert_eq!(refused(&store, outside).await, found, "{script}");
        assert!(verified(&store, outside).await >= 30, "{script}");
        bed.tamper(RESTORE).await;
    }
    // Nor an older one on which somebody went on until it was as long.
    bed.tamper(OLD_COPY).await;
    let more: Vec<_> = (0..12).map(|_| entry("x")).collect();
    let elsewhere = store.clone().vouched(&keys(), None);
    elsewhere.append(&holder(1), &more, at(3)).await.unwrap();
    assert_eq!(refused(&store, outside).await, Some((12, Problem::Fork)));
    bed.tamper(RESTORE).await;
    assert_eq!(refused(&store, outside).await, None);
}

pub async fn a_log_that_is_cut_under_a_process_is_never_signed(bed: &Bed) {
    let outside = tempfile::tempdir().unwrap();
    let outside = outside.path();
    let store = anew(&bed.open().await, outside);
    signed(bed, &store, outside).await;
    bed.tamper(OLD_COPY).await;
    let notes = store.checkpoints().await.unwrap();
    assert_eq!(notes.len(), 2);
    let shorter = |done: Result<(), StateError>| match done {
        Err(StateError::Unvouched(found)) => {
            assert_eq!((found.seq, found.problem), (12, Problem::Shorter));
        }
        other => panic!("{other:?}"),
    };
    // What a process did not write itself, it knows from the checkpoints outside.
    let other = anew(&store, outside);
    for store in [&store, &other] {
        shorter(store.checkpoint().await.map(drop));
        let (who, left) = (holder(1), entry("x"));
        let asked = store.ask(&who, "request/prod/db", "x", &left, at(3));
        shorter(asked.await.map(drop));
    }
    // What it wrote itself it knows also where those are put back too.
    std::fs::remove_dir_all(outside).unwrap();
    shorter(
        store
            .append(&holder(1), &[entry("x")], at(3))
            .await
            .map(drop),
    );
    shorter(store.checkpoint().await.map(drop));
    assert_eq!(store.checkpoints().await.unwrap(), notes);
}

pub async fn of_every_file_of_notes_the_newest_counts(bed: &Bed) {
    let store = bed.open().await;
    let first = tempfile::tempdir().unwrap();
    let notes = signed(bed, &store, first.path()).await;
    let chain = store.head().await.unwrap().chain;
    let note = |chain: Uuid, size: i64| {
        let hash = [7; 32];
        Checkpoint::of(&Head { chain, size, hash }).sign(&keys())
    };
    let (later, fork) = (note(chain, 13), note(chain, 8));
    let other = note(Uuid::from_u128(9), 3);
    let torn = "nothing".to_owned();
    let [four, eight, twelve] = [0, 1, 2].map(|i: usize| notes[i].clone());
    for (files, found) in [
        // Old notes are no news, wherever their file sorts.
        (
            vec![("a", vec![&four]), ("ops-1", vec![&four, &eight, &twelve])],
            None,
        ),
        (
            vec![("a", vec![&four]), ("ops-1", vec![&twelve, &later])],
            Some((13, Problem::Shorter)),
        ),
        (
            vec![("z", vec![&four]), ("ops-1", vec![&twelve, &later])],
            Some((13, Problem::Shorter)),
        ),
        (
            vec![("a", vec![&four]), ("b", vec![&fork])],
            Some((8, Problem::Fork)),
        ),
        (
            vec![("a", vec![&other]), ("b", vec![&twelve])],
            Some((0, Problem::Fork)),
        ),
        (
            vec![("a", vec![&twelve]), ("b", vec![&other])],
            Some((0, Problem::Fork)),
        ),
        // A damaged line does not hide the one before it.
        (
            vec![("a", vec![&later, &torn])],
            Some((13, Problem::Shorter)),
        ),
        (vec![("a", vec![&twelve, &torn])], None),
    ] {
        let dir = tempfile::tempdir().unwrap();
        for (host, notes) in &files {
            for note in notes {
                anchors::append(dir.path(), host, note).unwrap();
            }
        }
        assert_eq!(refused(&store, dir.path()).await, found, "{files:?}");
    }
}

pub async fn what_a_person_accepts_counts_no_more_and_nothing_else_does(bed: &Bed) {
    let store = bed.open().await;
    let kept = tempfile::tempdir().unwrap();
    signed(bed, &store, kept.path()).await;
    bed.tamper(SAVE).await;
    assert!(
        accept(&store, kept.path()).await.is_none(),
        "nothing is wrong"
    );
    let mut table: Vec<_> = table().into_iter().map(|(script, _)| script).collect();
    table.extend(
        [
            "DELETE FROM checkpoint",
            "INSERT INTO checkpoint VALUES (99, 'nothing')",
            "UPDATE audit SET mac = hash",
            "UPDATE audit SET mac = hash WHERE seq > 8; DELETE FROM checkpoint WHERE size > 8",
            "UPDATE audit SET event = 'other' WHERE seq = 4",
            "UPDATE audit_head SET hash = (SELECT hash FROM audit WHERE seq = 4)",
        ]
        .map(str::to_owned),
    );
    for script in table {
        let dir = tempfile::tempdir().unwrap();
        let outside = dir.path();
        for note in anchors::read(kept.path()).unwrap().notes().iter().rev() {
            anchors::append(outside, "ops-1", note).unwrap();
        }
        bed.tamper(&script).await;
        let accepted = accept(&store, outside).await;
        let accepted = accepted.unwrap_or_else(|| panic!("{script}"));
        // keyrota goes on, and signs, and the audit is content.
        for _ in 0..3 {
            assert_eq!(refused(&store, outside).await, None, "{script}");
            assert_eq!(verified(&store, outside).await, 0, "{script}");
            let more = [entry("x"), entry("y"), entry("z")];
            let store = anew(&store, outside);
            store.append(&holder(1), &more, at(3)).await.unwrap();
            let note = store.checkpoint().await.unwrap().note.unwrap();
            store.keep(&holder(1), &note).unwrap();
        }
        assert!(accept(&store, outside).await.is_some() || accepted.findings == 0);
        // One thing more is one too many.
        let seq = accepted.seq;
        for more in [
            format!("DELETE FROM audit WHERE seq = {}", seq + 2),
            format!("UPDATE audit SET mac = hash WHERE seq = {}", seq + 1),
            format!(
                "UPDATE audit SET event = 'else' WHERE seq = {}",
                (seq - 1).max(1)
            ),
        ] {
            bed.tamper("DROP TABLE IF EXISTS later; CREATE TABLE later AS SELECT * FROM audit")
                .await;
            bed.tamper(&more).await;
            assert!(verified(&store, outside).await >= 30, "{script}; {more}");
            bed.tamper("DELETE FROM audit; INSERT INTO audit SELECT * FROM later")
                .await;
        }
        bed.tamper(RESTORE).await;
    }
}

/// Another process writes and keeps its checkpoints while this one proves the log.
pub async fn a_log_that_grows_meanwhile_is_not_a_replaced_one(bed: &Bed) {
    let outside = tempfile::tempdir().unwrap();
    let store = bed.open().await.vouched(&keys(), Some(outside.path()));
    signed(bed, &store, outside.path()).await;
    let (reader, other) = (
        bed.open().await.vouched(&keys(), Some(outside.path())),
        bed.open().await.vouched(&keys(), Some(outside.path())),
    );
    let done = std::cell::Cell::new(false);
    let writes = async {
        while !done.get() {
            other
                .append(&holder(2), &[entry("e")], at(2))
                .await
                .unwrap();
            let note = other.checkpoint().await.unwrap().note.unwrap();
            anchors::append(outside.path(), "ops-2", &note).unwrap();
            tokio::task::yield_now().await;
        }
    };
    let proves = async {
        for _ in 0..100 {
            reader.prove().await.unwrap();
        }
        done.set(true);
    };
    tokio::join!(writes, proves);
}
