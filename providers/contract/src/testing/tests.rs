#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::Arc;

use super::*;
use crate::{
    Capabilities, ErrorKind, Place, Promote, Provider, ProviderError, Public, SecretValue, Stage,
    VersionRef,
};

fn subject_of(change: impl Fn(&mut Capabilities)) -> Subject {
    let mut can = Memory::new().capabilities();
    change(&mut can);
    let denied = Memory::with(can);
    denied.deny(true);
    Subject::new(Memory::with(can), "app").with_denied(denied)
}

mod everything {
    async fn subject() -> super::Subject {
        super::subject_of(|_| {})
    }
    crate::conformance!(self::subject);
}

mod very_little {
    async fn subject() -> super::Subject {
        super::subject_of(|can| {
            can.promote = super::Promote::LastWins;
            can.keeps_previous = false;
            can.value_bytes_max = 64;
            can.binary = false;
            can.public_parts = false;
            can.first_is_current = true;
        })
    }
    crate::conformance!(self::subject);
}

#[test]
fn every_promise_is_in_the_macro() {
    let listed = include_str!("conformance.rs");
    let files = [
        include_str!("conformance/promises.rs"),
        include_str!("conformance/adversity.rs"),
    ];
    let promises = files.iter().flat_map(|file| file.lines());
    let promises: Vec<_> = promises
        .filter_map(|l| l.strip_prefix("pub async fn ")?.split_once('('))
        .collect();
    assert_eq!(promises.len(), 21);
    for (promise, _) in promises {
        assert!(
            listed.contains(&format!("            {promise},\n")),
            "{promise} is not tested by anybody"
        );
    }
}

fn at() -> Place {
    Place::new("app/key")
}

async fn write(p: &dyn Provider) -> Result<crate::Native, ProviderError> {
    p.write(
        &at(),
        uuid::Uuid::from_u128(1),
        &SecretValue::copy_of(b"one"),
        &Public::new(),
    )
    .await
}

#[tokio::test]
async fn each_fault_does_what_it_says() {
    for fault in Fault::ALL {
        let memory = Arc::new(Memory::new());
        let faults = Faults::at([(1, fault)]);
        let p = Faulty::new(memory.clone(), faults.clone());
        p.describe(&at()).await.unwrap();
        let ended = faults.until_death(write(&p)).await;
        let happened = !memory.describe(&at()).await.unwrap().is_empty();
        let (answer, effect) = match fault {
            Fault::CrashBefore => (None, false),
            Fault::CrashAfter => (None, true),
            Fault::RetryBefore => (Some(ErrorKind::Unavailable), false),
            Fault::RetryAfter => (Some(ErrorKind::Unavailable), true),
            Fault::AmbiguousBefore => (Some(ErrorKind::Ambiguous), false),
            Fault::AmbiguousAfter => (Some(ErrorKind::Ambiguous), true),
            Fault::Refused => (Some(ErrorKind::Denied), false),
        };
        assert_eq!(ended.map(|r| r.unwrap_err().kind), answer, "{fault:?}");
        assert_eq!(happened, effect, "{fault:?}");
        assert_eq!(faults.effects(), ["provider.describe", "provider.write"]);
    }
}

#[tokio::test]
async fn the_dead_do_nothing_until_they_are_started_again() {
    let memory = Arc::new(Memory::new());
    let faults = Faults::at([(0, Fault::CrashBefore)]);
    let p = Faulty::new(memory.clone(), faults.clone());
    assert!(faults.until_death(write(&p)).await.is_none());
    assert!(faults.dead());
    assert!(faults.until_death(write(&p)).await.is_none());
    assert_eq!(memory.asked(), [""; 0]);
    faults.restart();
    assert!(faults.until_death(write(&p)).await.unwrap().is_ok());
}

#[tokio::test]
async fn a_foreign_current_has_no_id_of_ours() {
    let memory = Memory::new();
    let native = memory.put_foreign(&at(), SecretValue::copy_of(b"by hand"));
    let found = memory.describe(&at()).await.unwrap();
    assert_eq!(
        (found[0].ours, &found[0].native, &found[0].stages[..]),
        (None, &native, &[Stage::Current][..])
    );
    assert!(
        memory
            .read(&at(), &VersionRef::Native(native))
            .await
            .unwrap()
            .is_some()
    );
}
