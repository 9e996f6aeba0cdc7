//! Somebody who may write to the database, and has not the seed, writes history.

use data_encoding::HEXLOWER;
use keyrota::audit::{Problem, Report, Row, Signers, VerifyingKey, Vouch, chain};
use keyrota::state::{Asked, Change, StateError, Store};

use super::bed::{Bed, at, entry, holder, keys, keys_of};
use super::log::{eight_entries, verify};

/// The MAC that a forger puts beside an entry that they wrote.
#[derive(Debug, Clone, Copy)]
enum Mac {
    /// Leaves the one that was there.
    Old,
    Empty,
    /// One with a key of their own.
    Own,
    /// A genuine one, of the first entry.
    Other,
}

/// Replaces the entries from `from` on by others, whose hashes and head fit.
async fn rewrite(bed: &Bed, store: &Store, from: i64, mac: Mac) {
    let rows = store.entries(1, 1000).await.unwrap();
    let head = store.head().await.unwrap();
    let own = Vouch::of(&keys_of(9));
    let hex = |bytes: &[u8]| match bed {
        Bed::Sqlite(_) => format!("X'{}'", HEXLOWER.encode(bytes)),
        Bed::Postgres(..) => format!("decode('{}', 'hex')", HEXLOWER.encode(bytes)),
    };
    let mut prev = rows
        .iter()
        .find(|r| r.seq + 1 == from)
        .map_or(chain::genesis(head.chain), hash_of);
    let mut script = String::new();
    for row in rows.iter().filter(|r| r.seq >= from) {
        let body = String::from_utf8(row.body.clone()).unwrap();
        let body = body.replace("ops-1", "ops-6").into_bytes();
        let hash = chain::hash(head.chain, row.seq, &prev, &body);
        let mac = match mac {
            Mac::Old => hex(row.mac.as_ref().unwrap()),
            Mac::Empty => hex(b""),
            Mac::Own => hex(&own.entry(&hash)),
            Mac::Other => hex(rows[0].mac.as_ref().unwrap()),
        };
        script += &format!(
            "UPDATE audit SET prev_hash = {}, hash = {}, body = {}, mac = {mac} WHERE seq = {};",
            hex(&prev),
            hex(&hash),
            hex(&body),
            row.seq
        );
        prev = hash;
    }
    script += &format!("UPDATE audit_head SET hash = {};", hex(&prev));
    bed.tamper(&script).await;
}

fn hash_of(row: &Row) -> chain::Hash {
    row.hash.as_slice().try_into().unwrap()
}

fn first(report: &Report) -> Option<(i64, Problem)> {
    report.findings.first().map(|f| (f.seq, f.problem))
}

/// What signing and starting say; both must say the same, and sign nothing.
async fn refusal(store: &Store) -> Option<(i64, Problem)> {
    let notes = store.checkpoints().await.unwrap();
    let store = store.clone().vouched(&keys(), None);
    let proven = store.prove().await;
    // Whatever writes proves first, in the same transaction.
    let written = store.append(&holder(1), &[], at(3)).await.map(|_| ());
    let signed = store.checkpoint().await.map(|_| ());
    assert_eq!((&proven, &proven), (&written, &signed));
    match signed {
        Ok(()) => None,
        Err(StateError::Unvouched(f)) => {
            assert_eq!(store.checkpoints().await.unwrap(), notes);
            Some((f.seq, f.problem))
        }
        Err(e) => panic!("{e:?}"),
    }
}

/// A table to go back to.
async fn saved(bed: &Bed) -> &'static str {
    bed.tamper(
        "CREATE TABLE sound AS SELECT * FROM audit; CREATE TABLE sound_head AS SELECT * FROM audit_head;
         CREATE TABLE sound_notes AS SELECT * FROM checkpoint;",
    )
    .await;
    "DELETE FROM audit; INSERT INTO audit SELECT * FROM sound;
     DELETE FROM audit_head; INSERT INTO audit_head SELECT * FROM sound_head;
     DELETE FROM checkpoint; INSERT INTO checkpoint SELECT * FROM sound_notes;"
}

/// Eight entries, signed after the fifth, and the eighth is the last.
async fn signed_in_the_middle(store: &Store) {
    let five = ["a", "b", "c", "d", "e"].map(entry);
    store.append(&holder(1), &five, at(1)).await.unwrap();
    store.checkpoint().await.unwrap();
    let three = ["f", "g", "h"].map(entry);
    store.append(&holder(1), &three, at(2)).await.unwrap();
}

pub async fn a_rewritten_log_is_never_signed(bed: &Bed) {
    let store = bed.open().await;
    signed_in_the_middle(&store).await;
    let restore = saved(bed).await;
    for mac in [Mac::Old, Mac::Empty, Mac::Own, Mac::Other] {
        // What comes after the checkpoint: from every entry on.
        for from in 6..=8 {
            rewrite(bed, &store, from, mac).await;
            let found = Some((from, Problem::Unvouched));
            let report = verify(&store).await.unwrap();
            assert_eq!(first(&report), found, "{mac:?} from {from}");
            assert_eq!(report.exit_code(), 38);
            assert_eq!(refusal(&store).await, found, "{mac:?} from {from}");
            bed.tamper(restore).await;
        }
        // All of it, and the checkpoints with it.
        rewrite(bed, &store, 1, mac).await;
        let report = verify(&store).await.unwrap();
        assert_eq!(first(&report).unwrap().1, Problem::Unvouched, "{mac:?}");
        assert_eq!(refusal(&store).await, Some((5, Problem::Fork)), "{mac:?}");
        bed.tamper("DELETE FROM checkpoint").await;
        let found = Some((1, Problem::Unvouched));
        assert_eq!(first(&verify(&store).await.unwrap()), found, "{mac:?}");
        assert_eq!(refusal(&store).await, found, "{mac:?}");
        bed.tamper(restore).await;
    }
    assert_eq!(refusal(&store).await, None, "the sound log is signed");
    // What an auditor without the seed can say of the end is what is signed of it.
    let key = VerifyingKey::new(store.head().await.unwrap().chain, keys().public());
    let report = store.verify(1, &Signers::given(vec![key]), &[]).await;
    assert_eq!(report.unwrap().report.vouched, Some(8));
}

pub async fn checkpoints_that_are_gone_are_missed(bed: &Bed) {
    let store = bed.open().await;
    signed_in_the_middle(&store).await;
    store.checkpoint().await.unwrap();
    store
        .append(&holder(1), &[entry("i")], at(3))
        .await
        .unwrap();
    let restore = saved(bed).await;
    for (script, found, refused) in [
        ("DELETE FROM checkpoint", 6, 6),
        ("DELETE FROM checkpoint WHERE size = 8", 9, 9),
        // The last one is enough to go on; the audit says more.
        ("DELETE FROM checkpoint WHERE size = 5", 6, 0),
    ] {
        bed.tamper(script).await;
        let report = verify(&store).await.unwrap();
        assert_eq!(first(&report), Some((found, Problem::Unkept)), "{script}");
        assert_eq!(report.exit_code(), 39);
        let refused = (refused > 0).then_some((refused, Problem::Unkept));
        assert_eq!(refusal(&store).await, refused, "{script}");
        bed.tamper(restore).await;
    }
    for (note, problem) in [
        ("'nothing'", Problem::BadSignature),
        // A genuine one of a smaller log, said to be of a larger one.
        (
            "(SELECT note FROM sound_notes WHERE size = 5)",
            Problem::Unkept,
        ),
    ] {
        bed.tamper(&format!("INSERT INTO checkpoint VALUES (99, {note})"))
            .await;
        let refused = refusal(&store).await;
        assert_eq!(refused.map(|f| f.1), Some(problem), "{note}");
        bed.tamper(restore).await;
    }
}

pub async fn what_nobody_signed_is_called_unsigned(bed: &Bed) {
    let store = bed.open().await;
    eight_entries(&store).await;
    let key = VerifyingKey::new(store.head().await.unwrap().chain, keys().public());
    let given = Signers::given(vec![key]);
    let code = async |from, signers: &Signers| {
        let verified = store.verify(from, signers, &[]).await.unwrap();
        verified.report.exit_code()
    };
    // With the seed a part that no checkpoint covers is vouched for, but not that it is the whole.
    let own = Signers::own(&keys());
    assert_eq!([code(1, &given).await, code(4, &given).await], [37, 37]);
    assert_eq!([code(1, &own).await, code(4, &own).await], [37, 0]);
    store.checkpoint().await.unwrap();
    for signers in [&given, &own] {
        assert_eq!([code(1, signers).await, code(4, signers).await], [0, 0]);
    }
}

pub async fn only_genuine_requests_are_followed(bed: &Bed) {
    let store = bed.open().await;
    let lock = store.lock("prod", &holder(1), 5).await.unwrap();
    let key = "request/prod/db";
    let ask = async |key: &str, value: &str| {
        let entry = entry("request.resume");
        store.ask(&holder(1), key, value, &entry, at(1)).await
    };
    let genuine = Some(Asked::Genuine("one two".to_owned()));
    assert_eq!(store.asked(key).await.unwrap(), None);
    ask(key, "one two").await.unwrap();
    ask("request/prod/db2", "three").await.unwrap();
    assert_eq!(store.asked(key).await.unwrap(), genuine);
    // Who has no keys cannot tell.
    let reader = bed.try_open(true).await.unwrap();
    assert_eq!(reader.asked(key).await.unwrap(), Some(Asked::Unproven));
    bed.run("CREATE TABLE left_once AS SELECT * FROM facts")
        .await
        .unwrap();
    for script in [
        "UPDATE facts SET value = replace(value, 'two', 'six') WHERE key = 'request/prod/db'",
        "UPDATE facts SET value = 'three' WHERE key = 'request/prod/db'",
        "UPDATE facts SET value = ' one two' WHERE key = 'request/prod/db'",
        "UPDATE facts SET value = '' WHERE key = 'request/prod/db'",
        "DELETE FROM facts WHERE key = 'request/prod/db'",
    ] {
        bed.run(script).await.unwrap();
        let asked = store.asked(key).await.unwrap();
        assert_eq!(asked, Some(Asked::Forged), "{script}");
        ask(key, "one two").await.unwrap();
        assert_eq!(store.asked(key).await.unwrap(), genuine);
    }
    // A request that was taken up cannot be put back.
    let taken = [Change::DropFact {
        key: key.to_owned(),
    }];
    store.commit(&lock, &taken, &[], at(2)).await.unwrap();
    assert_eq!(store.asked(key).await.unwrap(), None);
    bed.run("INSERT INTO facts SELECT * FROM left_once WHERE key = 'request/prod/db'")
        .await
        .unwrap();
    assert_eq!(store.asked(key).await.unwrap(), Some(Asked::Forged));
}
