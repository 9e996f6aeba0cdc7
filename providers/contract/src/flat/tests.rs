#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use super::*;
use crate::testing::{MemoryFlat, Subject};

const LIMITS: FlatLimits = FlatLimits {
    value_bytes_max: 8192,
    binary: false,
};

async fn subject() -> Subject {
    let denied = MemoryFlat::default();
    denied.deny(true);
    Subject::new(FlatProvider::new(MemoryFlat::default(), LIMITS), "app")
        .with_denied(FlatProvider::new(denied, LIMITS))
}

crate::conformance!(self::subject);

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn value(text: &str) -> SecretValue {
    SecretValue::copy_of(text.as_bytes())
}

#[tokio::test]
async fn a_value_that_was_there_before_keyrota_becomes_previous() {
    let p = FlatProvider::new(MemoryFlat::default(), LIMITS);
    let at = Place::new("DATABASE_URL");
    p.store.put("DATABASE_URL", &value("old")).await.unwrap();
    let foreign = Native("foreign".into());
    let found = p.describe(&at).await.unwrap();
    assert_eq!((found[0].ours, &found[0].native), (None, &foreign));

    p.write(&at, id(1), &value("new"), &Public::new())
        .await
        .unwrap();
    assert_eq!(
        p.promote(&at, id(1), None).await.unwrap_err().kind,
        ErrorKind::Conflict
    );
    p.promote(&at, id(1), Some(&foreign)).await.unwrap();
    let previous = p
        .read(&at, &VersionRef::Stage(Stage::Previous))
        .await
        .unwrap()
        .unwrap();
    assert!(previous.same_as(&value("old")));
    assert_eq!(
        p.store.names(),
        [
            "DATABASE_URL",
            "DATABASE_URL_KEYROTA_CURRENT",
            "DATABASE_URL_KEYROTA_PREVIOUS"
        ]
    );
}

#[tokio::test]
async fn somebody_elses_value_over_ours_is_a_conflict() {
    let p = FlatProvider::new(MemoryFlat::default(), LIMITS);
    let at = Place::new("KEY");
    p.write(&at, id(1), &value("one"), &Public::new())
        .await
        .unwrap();
    let one = p.promote(&at, id(1), None).await.unwrap();
    p.store.put("KEY", &value("by hand")).await.unwrap();
    p.write(&at, id(2), &value("two"), &Public::new())
        .await
        .unwrap();
    assert_eq!(
        p.promote(&at, id(2), Some(&one)).await.unwrap_err().kind,
        ErrorKind::Conflict
    );
    assert!(
        p.store
            .get("KEY")
            .await
            .unwrap()
            .unwrap()
            .same_as(&value("by hand"))
    );
}

#[tokio::test]
async fn a_stranger_under_our_own_name_is_left_alone() {
    let p = FlatProvider::new(MemoryFlat::default(), LIMITS)
        .with_siblings(|name, which| format!("{name}.{which:?}"));
    let at = Place::new("KEY");
    p.store
        .put("KEY.Pending", &value("not ours"))
        .await
        .unwrap();
    let refused = p
        .write(&at, id(1), &value("one"), &Public::new())
        .await
        .unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict);
    assert!(
        p.store
            .get("KEY.Pending")
            .await
            .unwrap()
            .unwrap()
            .same_as(&value("not ours"))
    );
}

#[tokio::test]
async fn one_value_per_name() {
    let p = FlatProvider::new(MemoryFlat::default(), LIMITS);
    let at = Place {
        path: "KEY".into(),
        field: Some("password".into()),
    };
    assert_eq!(p.describe(&at).await.unwrap_err().kind, ErrorKind::Invalid);
}

/// The id of a current version that only its pending sibling shows is kept when the sibling goes.
#[tokio::test]
async fn an_adopted_value_keeps_its_id() {
    let p = FlatProvider::new(MemoryFlat::default(), LIMITS);
    let at = Place::new("KEY");
    p.store.put("KEY", &value("there before")).await.unwrap();
    p.write(&at, id(1), &value("there before"), &Public::new())
        .await
        .unwrap();
    p.write(&at, id(2), &value("next"), &Public::new())
        .await
        .unwrap();
    let found: Vec<_> = p
        .describe(&at)
        .await
        .unwrap()
        .iter()
        .map(|v| (v.stages[0], v.ours))
        .collect();
    assert_eq!(
        found,
        [(Stage::Pending, Some(id(2))), (Stage::Current, Some(id(1)))]
    );
}
