//! Rotations with copies: what stands there, what is told, what nobody may read.

use super::bed::{Bed, SM, SSM, VAULT, drifts};
use crate::support::leaks::Leaks;

const HAND: &str = "by-hand-0123456789-0123456789-abcdef";

#[test]
fn copies_follow_and_are_read_by_the_vendors_programs() {
    let bed = Bed::new("1s");
    // Nobody is told of an import.
    assert_eq!(bed.stores.in_vault(VAULT), None);
    let mut told = String::new();
    let mut values = Vec::new();
    for _ in 0..2 {
        let mut ran = bed.run(&["rotate", "database", "--wait"]).code(0);
        told += &(std::mem::take(&mut ran.stdout) + &ran.stderr);
        values.push(bed.follows());
    }
    assert_ne!(values[0], values[1]);
    // What was replaced is ended.
    let old = [
        "kv",
        "get",
        "-mount=kv",
        "-field=value",
        "-version=1",
        VAULT,
    ];
    assert!(bed.stores.bao.bao(&old).is_err());
    let log = bed.run(&["audit", "list"]).code(0);
    assert_eq!(drifts(&log), 0);
    let plan = bed.run(&["plan", "database"]).code(0).stdout;
    assert!(
        plan.contains(&format!("keep copy:vault:{VAULT} with the new value")),
        "{plan}"
    );
    told += &(plan + &log.stdout);
    for args in [&["status", "database"][..], &["history", "database"]] {
        told += &bed.run(args).code(0).stdout;
    }
    let passwords: Vec<_> = values
        .iter()
        .map(|v| crate::databases::bed::login(v).1)
        .collect();
    let named: Vec<_> = values
        .iter()
        .chain(&passwords)
        .map(|v| ("a value", v.as_str()))
        .collect();
    let leaks = Leaks::of(&named);
    let mut found = leaks.below(bed.database.keyrota.dir(), &|_| false);
    found.extend(leaks.in_text("what was told", told.as_bytes()));
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn what_somebody_else_wrote_in_a_copy_is_told_and_set_right() {
    let bed = Bed::new("5s");
    bed.run(&["rotate", "database", "--wait"]).code(0);
    let (moto, bao) = (&bed.stores.moto, &bed.stores.bao);
    let vault = || {
        let value = format!("value={HAND}");
        bao.bao(&["kv", "put", "-mount=kv", VAULT, &value]).unwrap();
    };
    vault();
    let put = ["ssm", "put-parameter", "--overwrite", "--name", SSM];
    moto.aws(&[&put[..], &["--type", "SecureString", "--value", HAND]].concat());
    let put_in_sm = ["secretsmanager", "put-secret-value", "--secret-id", SM];
    moto.aws(&[&put_in_sm[..], &["--secret-string", HAND]].concat());
    assert_eq!(bed.stores.in_sm(SM), HAND, "a plain put moves AWSCURRENT");
    let ran = bed.run(&["rotate", "database"]).code(0);
    let words = "another tool changed a copy";
    assert_eq!(ran.stderr.matches(words).count(), 3, "{ran:?}");
    assert_eq!(drifts(&bed.run(&["audit", "list"]).code(0)), 3);
    bed.follows();
    // In the grace it is found when it ends.
    vault();
    let put = ["ssm", "put-parameter", "--overwrite", "--name", SSM];
    moto.aws(&[&put[..], &["--type", "SecureString", "--value", HAND]].concat());
    let ran = bed.run(&["rotate", "database", "--wait"]).code(0);
    assert_eq!(ran.stderr.matches(words).count(), 2, "{ran:?}");
    assert_eq!(drifts(&bed.run(&["audit", "list"]).code(0)), 5);
    bed.follows();
    // Nothing of it is told twice.
    let ran = bed.run(&["rotate", "database", "--wait"]).code(0);
    assert!(!ran.stderr.contains(words), "{ran:?}");
    bed.follows();
}

#[test]
fn a_place_that_keyrota_never_wrote_is_not_written_over() {
    let bed = Bed::new("1s");
    let value = format!("value={HAND}");
    bed.stores
        .bao
        .bao(&["kv", "put", "-mount=kv", VAULT, &value])
        .unwrap();
    let before = bed.database.value("current");
    let ran = bed.run(&["rotate", "database", "--dry-run"]);
    assert_ne!(ran.code, 0);
    let ran = bed.run(&["rotate", "database", "--wait"]).code(20);
    assert!(
        ran.stdout.contains("a value that keyrota never wrote"),
        "{ran:?}"
    );
    assert_eq!(bed.stores.in_vault(VAULT).as_deref(), Some(HAND));
    assert_eq!(bed.database.value("current"), before);
    // The value that the secret has may stand there already.
    let value = format!("value={}", before.unwrap());
    bed.stores
        .bao
        .bao(&["kv", "put", "-mount=kv", VAULT, &value])
        .unwrap();
    bed.run(&["rotate", "database", "--wait"]).code(0);
    bed.follows();
}

#[test]
fn no_value_is_told_at_the_most_verbose_level() {
    let bed = Bed::new("1s");
    let mut told = String::new();
    let mut say = |args: &[&str], code| {
        let ran = bed.run_loud(args).code(code);
        told += &(ran.stdout + &ran.stderr);
    };
    let mut values = Vec::new();
    for _ in 0..2 {
        say(&["rotate", "database", "--wait"], 0);
        values.push(bed.follows());
    }
    for hand in ["1", "2"] {
        let hand = format!("value={HAND}{hand}");
        let put = ["kv", "put", "-mount=kv", VAULT, &hand];
        bed.stores.bao.bao(&put).unwrap();
        say(&["rotate", "--due"], 0);
        bed.follows();
    }
    bed.stores
        .bao
        .bao(&["kv", "delete", "-mount=kv", VAULT])
        .unwrap();
    say(&["rotate", "--due"], 22);
    say(&["resume", "database"], 22);
    for args in [
        &["status"][..],
        &["status", "database", "--json"],
        &["audit", "list", "--json"],
        &["history", "database", "--json"],
        &["plan", "database", "--json"],
        &["rotate", "database", "--dry-run"],
    ] {
        let ran = bed.run_loud(args);
        told += &(ran.stdout + &ran.stderr);
    }
    assert!(told.contains(" WARN "), "the log is part of it");
    let login = |v: &String| crate::databases::bed::login(v).1;
    let passwords: Vec<_> = values.iter().map(login).collect();
    let all = values
        .iter()
        .chain(&passwords)
        .map(|v| ("a value", v.as_str()));
    let all: Vec<_> = all.chain([("what a hand wrote", HAND)]).collect();
    let leaks = Leaks::of(&all);
    let mut found = leaks.below(bed.database.keyrota.dir(), &|_| false);
    found.extend(leaks.in_text("what was told", told.as_bytes()));
    assert!(found.is_empty(), "{found:?}");
    println!("canary: {} values, {} bytes told", all.len(), told.len());
}
