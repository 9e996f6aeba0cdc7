//! A small log in memory, spoilt in every way, byte by byte.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::Path;

use keyrota_contract::SecretValue;
use uuid::Uuid;

use super::export::ExportError;
use super::*;
use crate::keys::{Keys, Seed};

const CHAIN: Uuid = Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001);

fn keys() -> Keys {
    Seed::from_credential(&SecretValue::copy_of(&[1; 32]))
        .unwrap()
        .keys()
}

/// Six sound entries, as the store writes them.
fn log() -> Vec<Row> {
    let origin = Origin {
        host: "ops-1".to_owned(),
        pid: 7,
        instance: Uuid::nil(),
        epoch: Some(3),
    };
    let mut prev = chain::genesis(CHAIN);
    (1..=6)
        .map(|seq| {
            let rotation = Uuid::from_u128(7);
            let entry = NewEntry::new("rotation.set", Phase::Intent, Actor::schedule())
                .secret("prod", "=db")
                .rotation(rotation)
                .effect("set", 1);
            let ts_us = 1_789_999_999_123_456;
            let body = entry.body(
                &Position {
                    chain: CHAIN,
                    seq,
                    ts_us,
                    signed: None,
                },
                &origin,
            );
            let hash = chain::hash(CHAIN, seq, &prev, &body);
            let copies = Copies {
                ts_us,
                event: "rotation.set".to_owned(),
                env: Some("prod".to_owned()),
                secret: Some("=db".to_owned()),
                rotation: Some(rotation.to_string()),
            };
            let row = Row {
                seq,
                prev_hash: prev.to_vec(),
                hash: hash.to_vec(),
                body,
                mac: Some(Vouch::of(&keys()).entry(&hash).to_vec()),
                copies: Some(copies),
            };
            prev = hash;
            row
        })
        .collect()
}

fn head(rows: &[Row]) -> Head {
    let last = rows.last().unwrap();
    Head {
        chain: CHAIN,
        size: last.seq,
        hash: last.hash.as_slice().try_into().unwrap(),
    }
}

/// Verifies `rows` against the head of the sound log, and a checkpoint of it where asked for.
fn findings(rows: &[Row], signed: bool) -> Vec<(i64, u8)> {
    let sound = head(&log());
    let mut verifier = Verifier::new(CHAIN, 1);
    if signed {
        let key = VerifyingKey::new(CHAIN, keys().public());
        verifier.checkpoint(Checkpoint::verify(
            &Checkpoint::of(&sound).sign(&keys()),
            &[key],
        ));
    }
    rows.iter().for_each(|row| verifier.push(row));
    let report = verifier.finish(Some(&sound));
    report
        .findings
        .iter()
        .map(|f| (f.seq, f.problem.exit_code()))
        .collect()
}

/// An entry's bytes never change: they are hashed. So their form is pinned.
#[test]
fn an_entry_is_canonical_and_says_everything() {
    let origin = Origin {
        host: "ops-1".to_owned(),
        pid: 7,
        instance: Uuid::nil(),
        epoch: Some(3),
    };
    let entry = NewEntry::new(
        "rotation.set",
        Phase::Outcome,
        Actor::operator("uid:0 \"root\""),
    )
    .outcome(Outcome::Rejected)
    .object(Object {
        env: Some("prod".to_owned()),
        secret: Some("db".to_owned()),
        kind: Some("postgres".to_owned()),
        provider: Some("main".to_owned()),
        path: Some("a/b".to_owned()),
    })
    .rotation(Uuid::from_u128(7))
    .effect("set", 2)
    .before(Some("v1".to_owned()), Some("hfp1:k:A".to_owned()))
    .after(None, Some("hfp1:k:B".to_owned()))
    .reason("CHG-1")
    .error("denied")
    .detail("consumer", "app1");
    let body = String::from_utf8(entry.body(
        &Position {
            chain: CHAIN,
            seq: 5,
            ts_us: 42,
            signed: Some(3),
        },
        &origin,
    ))
    .unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!(
        r#"{{"actor":{{"id":"uid:0 \"root\"","type":"operator"}},"after":{{"fp":"hfp1:k:B"}},"attempt":2,"before":{{"fp":"hfp1:k:A","version":"v1"}},"chain":"01920000-0000-7000-8000-000000000001","detail":{{"consumer":"app1"}},"effect":"set","error":{{"class":"denied"}},"event":"rotation.set","object":{{"env":"prod","kind":"postgres","path":"a/b","provider":"main","secret":"db"}},"origin":{{"epoch":3,"host":"ops-1","instance":"00000000-0000-0000-0000-000000000000","pid":7,"version":"{version}"}},"outcome":"rejected","phase":"outcome","reason":"CHG-1","rotation":"00000000-0000-0000-0000-000000000007","seq":5,"signed":3,"ts_us":42,"v":1}}"#
    );
    assert_eq!(body, expected);
    assert!(canonical::read(body.as_bytes()).is_ok());
}

/// The formula may never change, either. Computed with Python's hashlib.
#[test]
fn the_chain_is_pinned() {
    let hex = |hash: chain::Hash| data_encoding::HEXLOWER.encode(&hash);
    let genesis = chain::genesis(CHAIN);
    assert_eq!(hex(genesis), PINNED_GENESIS);
    assert_eq!(hex(chain::hash(CHAIN, 1, &genesis, b"{}")), PINNED_FIRST);
}

#[test]
fn a_sound_log_is_sound() {
    assert_eq!(findings(&log(), true), []);
}

#[test]
fn every_flipped_byte_is_found_in_its_entry() {
    let rows = log();
    for i in 0..rows.len() {
        let seq = rows[i].seq;
        let fields: [fn(&mut Row) -> &mut Vec<u8>; 3] =
            [|r| &mut r.body, |r| &mut r.hash, |r| &mut r.prev_hash];
        for field in fields {
            for at in 0..field(&mut rows[i].clone()).len() {
                let mut rows = rows.clone();
                field(&mut rows[i])[at] ^= 1;
                assert_eq!(findings(&rows, false), [(seq, 30)], "byte {at} of {seq}");
            }
        }
    }
}

#[test]
fn whatever_is_done_to_whole_entries_is_found() {
    let sound = log();
    let n = sound.len();
    for i in 0..n {
        let seq = sound[i].seq;
        // Deleted: a gap; the last one: shorter than the head, whether or not somebody signed.
        let mut rows = sound.clone();
        rows.remove(i);
        assert_eq!(
            findings(&rows, false),
            [(seq, if i == n - 1 { 34 } else { 31 })]
        );
        for j in 0..=n {
            // Put in again, anywhere.
            let mut rows = sound.clone();
            rows.insert(j, sound[i].clone());
            let found = findings(&rows, false);
            // Too early, the second one, in its right place, is the one too many.
            let first = if j < i { 33 } else { 32 };
            assert!(found.contains(&(seq, 32)), "{seq} at {j}: {found:?}");
            assert_eq!(found[0].1, first, "{seq} at {j}: {found:?}");
        }
        for j in i + 1..n {
            // Exchanged, with and without the numbers.
            let mut rows = sound.clone();
            rows.swap(i, j);
            let found = findings(&rows, false);
            assert!(
                !found.is_empty() && found.iter().all(|f| f.1 == 33),
                "{i} and {j}: {found:?}"
            );
            for (place, row) in (1..).zip(&mut rows) {
                row.seq = place;
            }
            let found = findings(&rows, false);
            assert!(
                found.iter().any(|f| f.1 == 33),
                "{i} and {j}, renumbered: {found:?}"
            );
        }
        // Cut off from here on: shorter than the head.
        assert_eq!(findings(&sound[..i], false), [(seq, 34)]);
        // One entry written anew, with a hash to match: the next one does not follow it.
        let mut rows = sound.clone();
        rows[i].body = String::from_utf8(rows[i].body.clone())
            .unwrap()
            .replace("ops-1", "ops-2")
            .into_bytes();
        rows[i].hash = chain::hash(CHAIN, seq, &rows[i].prev_hash, &rows[i].body).to_vec();
        let last = i == n - 1;
        assert_eq!(
            findings(&rows, false),
            [(seq, if last { 36 } else { 30 })],
            "{seq}"
        );
        // All from there on: sound in itself, and not what was signed.
        for k in i + 1..n {
            rows[k].prev_hash = rows[k - 1].hash.clone();
            rows[k].hash =
                chain::hash(CHAIN, rows[k].seq, &rows[k].prev_hash, &rows[k].body).to_vec();
        }
        let mut verifier = Verifier::new(CHAIN, 1);
        verifier.checkpoint(Ok(Checkpoint::of(&head(&sound))));
        rows.iter().for_each(|row| verifier.push(row));
        let found = verifier.finish(Some(&head(&rows))).findings;
        assert_eq!(
            found
                .iter()
                .map(|f| (f.seq, f.problem.exit_code()))
                .collect::<Vec<_>>(),
            [(6, 32)]
        );
    }
}

#[test]
fn a_log_shorter_than_its_checkpoint_is_found_even_if_its_head_agrees() {
    let sound = log();
    for size in 0..sound.len() {
        let mut verifier = Verifier::new(CHAIN, 1);
        verifier.checkpoint(Ok(Checkpoint::of(&head(&sound))));
        sound[..size].iter().for_each(|row| verifier.push(row));
        let empty = Head {
            chain: CHAIN,
            size: 0,
            hash: chain::genesis(CHAIN),
        };
        let head = if size == 0 {
            empty
        } else {
            head(&sound[..size])
        };
        let report = verifier.finish(Some(&head));
        assert_eq!(report.exit_code(), 34, "{size}");
        assert_eq!(report.vouched, None);
    }
}

#[test]
fn an_intent_without_an_outcome_is_pointed_out() {
    let sound = log();
    let mut verifier = Verifier::new(CHAIN, 1);
    sound.iter().for_each(|row| verifier.push(row));
    let report = verifier.finish(None);
    // The same effect was begun six times; the last beginning is the one that is open.
    assert_eq!(
        report.dangling.iter().map(|d| d.seq).collect::<Vec<_>>(),
        [6]
    );
    assert_eq!(report.exit_code(), 0);
}

fn export(rows: &[Row], directory: &Path, format: Format) -> Result<(), ExportError> {
    let mut exporter = Exporter::create(directory, format, CHAIN, rows[0].seq)?;
    rows.iter().try_for_each(|row| exporter.push(row))?;
    exporter.finish(rows[rows.len() - 1].seq, &keys())
}

#[test]
fn every_flipped_byte_of_an_export_is_found() {
    let key = [VerifyingKey::new(CHAIN, keys().public())];
    for format in [Format::Jsonl, Format::Csv] {
        let dir = tempfile::tempdir().unwrap();
        export(&log()[2..4], dir.path(), format).unwrap();
        assert_eq!(verify_export(dir.path(), &key).unwrap().exit_code(), 0);
        for name in [format.file(), "manifest.json"] {
            let path = dir.path().join(name);
            let sound = std::fs::read(&path).unwrap();
            for at in 0..sound.len() {
                let mut bytes = sound.clone();
                bytes[at] ^= 1;
                std::fs::write(&path, &bytes).unwrap();
                match verify_export(dir.path(), &key) {
                    Ok(report) => {
                        let code = report.exit_code();
                        assert!(
                            [30, 31, 32, 33, 36].contains(&code),
                            "byte {at} of {name}: {code}"
                        );
                    }
                    Err(ExportError::Manifest | ExportError::NotSigned)
                        if name == "manifest.json" => {}
                    Err(e) => panic!("byte {at} of {name}: {e}"),
                }
            }
            std::fs::write(&path, &sound).unwrap();
        }
    }
}

#[test]
fn lines_of_an_export_cannot_be_moved_removed_or_repeated() {
    let key = [VerifyingKey::new(CHAIN, keys().public())];
    let dir = tempfile::tempdir().unwrap();
    export(&log(), dir.path(), Format::Jsonl).unwrap();
    let path = dir.path().join("audit.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    for (lines, code) in [
        (lines[1..].concat(), 31),
        (lines[..5].concat(), 34),
        ([&lines[..2], &lines[3..]].concat().concat(), 31),
        ([&lines[..3], &lines[2..]].concat().concat(), 32),
        (
            [&lines[..1], &lines[2..3], &lines[1..2], &lines[3..]]
                .concat()
                .concat(),
            33,
        ),
        ([&lines[..5], &["\n"], &lines[5..]].concat().concat(), 30),
        (text.replacen("ops-1", "ops-2", 1), 30),
        (text.replacen("{\"seq\"", "{ \"seq\"", 1), 30),
    ] {
        std::fs::write(&path, lines).unwrap();
        let report = verify_export(dir.path(), &key).unwrap();
        assert_eq!(report.exit_code(), code, "{:?}", report.findings);
    }
    std::fs::write(&path, text).unwrap();
    let other = Seed::from_credential(&SecretValue::copy_of(&[2; 32]))
        .unwrap()
        .keys();
    let stranger = [VerifyingKey::new(CHAIN, other.public())];
    assert!(matches!(
        verify_export(dir.path(), &stranger),
        Err(ExportError::NotSigned)
    ));
}

#[test]
fn what_is_not_sound_is_not_exported() {
    let dir = tempfile::tempdir().unwrap();
    let mut rows = log();
    rows[2].body[5] ^= 1;
    let Err(ExportError::Unsound(_)) = export(&rows, &dir.path().join("a"), Format::Jsonl) else {
        panic!("exported")
    };
    let Err(ExportError::Unsound(_)) = export(
        &[&log()[..2], &log()[3..]].concat(),
        &dir.path().join("b"),
        Format::Csv,
    ) else {
        panic!("exported")
    };
    let Err(ExportError::NotEmpty) = export(&log(), dir.path(), Format::Csv) else {
        panic!("exported")
    };
}

#[test]
fn a_spreadsheet_finds_no_formula() {
    let dir = tempfile::tempdir().unwrap();
    export(&log(), dir.path(), Format::Csv).unwrap();
    let mut reader = csv::Reader::from_path(dir.path().join("audit.csv")).unwrap();
    for record in reader.records() {
        let record = record.unwrap();
        assert!(
            record
                .iter()
                .all(|cell| !cell.starts_with(['=', '+', '-', '@'])),
            "{record:?}"
        );
        assert_eq!(&record[4], "'=db");
    }
}

const PINNED_GENESIS: &str = "eebceaf749cb543f53e01a0fd1e0a04c9a5244b4de625ce075d49f0c3ac65ea6";
const PINNED_FIRST: &str = "c442e4eef03280520ea868c58ed8078242510cd88b57bb63a71f7915f37ab1d7";

/// Whatever numbers a database or an export holds, they are judged and nothing panics.
#[test]
fn no_number_of_a_log_stops_the_verification() {
    let numbers = [i64::MIN, -1, 0, 1, 2, i64::MAX - 1, i64::MAX];
    for from in numbers {
        for (first, second) in numbers.iter().flat_map(|a| numbers.map(|b| (*a, b))) {
            let mut verifier = Verifier::new(CHAIN, from);
            for (seq, mut row) in [first, second].into_iter().zip(log()) {
                row.seq = seq;
                verifier.push(&row);
            }
            verifier.unreadable();
            let head = Head {
                chain: CHAIN,
                size: second,
                hash: chain::genesis(CHAIN),
            };
            assert!(!verifier.finish(Some(&head)).findings.is_empty());
        }
    }
}
