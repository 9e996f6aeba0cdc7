//! What holds while nothing goes wrong.

use super::{Subject, id, kind};
use crate::{ErrorKind, Public, SecretValue, Stage, VersionRef};

/// Nothing there: no versions, no value, nothing to promote, nothing to destroy.
pub async fn an_absent_place_is_empty(s: &Subject) {
    let t = s.at("absent");
    assert_eq!(t.stages().await, []);
    for v in [
        VersionRef::Stage(Stage::Current),
        VersionRef::Stage(Stage::Pending),
        VersionRef::Ours(id(1)),
    ] {
        assert_eq!(t.read(&v).await, None);
        t.p.destroy(&t.at, &v)
            .await
            .expect("destroying what is absent is done");
    }
    assert_eq!(
        kind(t.p.promote(&t.at, id(1), None).await),
        Some(ErrorKind::NotFound)
    );
    assert_eq!(t.stages().await, [], "asking creates nothing");
}

/// Asking what could be done does nothing, wherever it is asked.
pub async fn a_preflight_is_no_effect(s: &Subject) {
    let t = s.at("preflight");
    let asked = || async { t.p.preflight(&t.at).await.expect("preflight") };
    asked().await;
    assert_eq!(t.stages().await, [], "asking creates nothing");
    t.make_current(1, b"one").await;
    t.write(2, b"two").await;
    let before = t.stages().await;
    let described = t.p.describe(&t.at).await.expect("describe");
    assert_eq!(asked().await, described, "it answers as describe does");
    assert_eq!(t.stages().await, before);
    assert_eq!(t.current().await.as_deref(), Some(&b"one"[..]));
}

/// A candidate is readable under its id and its stage; readers of current see no change.
pub async fn a_write_is_pending_only(s: &Subject) {
    let t = s.at("pending");
    if !t.can.first_is_current {
        t.write(1, b"candidate").await;
        assert_eq!(t.stages().await, [(Stage::Pending, id(1))]);
        assert_eq!(t.current().await, None);
    }
    t.make_current(2, b"in use").await;
    t.write(3, b"next").await;
    assert_eq!(t.current().await.as_deref(), Some(&b"in use"[..]));
    assert_eq!(
        t.read(&VersionRef::Ours(id(3))).await.as_deref(),
        Some(&b"next"[..])
    );
    assert_eq!(
        t.read(&VersionRef::Stage(Stage::Pending)).await.as_deref(),
        Some(&b"next"[..])
    );
    assert!(t.stages().await.contains(&(Stage::Pending, id(3))));
}

/// The same id with the same value, again and again.
pub async fn writing_again_changes_nothing(s: &Subject) {
    let t = s.at("again");
    t.make_current(1, b"one").await;
    let first = t.write(2, b"two").await;
    let before = t.stages().await;
    assert_eq!(t.write(2, b"two").await, first);
    assert_eq!(t.stages().await, before);
    t.make_current(2, b"two").await;
    t.write(2, b"two").await;
    assert_eq!(
        t.current().await.as_deref(),
        Some(&b"two"[..]),
        "also when it has become current"
    );
    assert!(!t.stages().await.contains(&(Stage::Pending, id(2))));
}

/// An id means one value for ever.
pub async fn another_value_under_an_id_is_a_conflict(s: &Subject) {
    let t = s.at("conflict");
    t.make_current(1, b"one").await;
    t.write(2, b"first").await;
    assert_eq!(
        kind(t.try_write(2, b"second").await),
        Some(ErrorKind::Conflict)
    );
    assert_eq!(
        t.read(&VersionRef::Ours(id(2))).await.as_deref(),
        Some(&b"first"[..])
    );
    assert_eq!(
        kind(t.try_write(1, b"second").await),
        Some(ErrorKind::Conflict)
    );
    assert_eq!(t.current().await.as_deref(), Some(&b"one"[..]));
}

/// An abandoned candidate makes way.
pub async fn a_newer_candidate_replaces_an_older(s: &Subject) {
    let t = s.at("replace");
    t.make_current(1, b"one").await;
    t.write(2, b"abandoned").await;
    t.write(3, b"newer").await;
    assert_eq!(
        t.read(&VersionRef::Stage(Stage::Pending)).await.as_deref(),
        Some(&b"newer"[..])
    );
    assert_eq!(t.count(Stage::Pending).await, 1);
    assert_eq!(t.current().await.as_deref(), Some(&b"one"[..]));
}

/// A candidate may have the value that is in use already (a restored backup, an import).
pub async fn an_equal_candidate_is_still_a_candidate(s: &Subject) {
    let t = s.at("equal");
    t.make_current(1, b"same").await;
    t.write(2, b"same").await;
    assert_eq!(
        t.stages().await,
        [(Stage::Pending, id(2)), (Stage::Current, id(1))]
    );
    t.make_current(2, b"same").await;
    let stages = t.stages().await;
    assert!(
        stages.contains(&(Stage::Current, id(2))) && !stages.contains(&(Stage::Current, id(1)))
    );
    assert_eq!(t.count(Stage::Pending).await, 0);
}

/// Repeating a promote, with the old `from`, answers as the first did.
pub async fn a_promote_happens_once(s: &Subject) {
    let t = s.at("promote");
    t.make_current(1, b"one").await;
    let from = t.native(Stage::Current).await;
    t.write(2, b"two").await;
    let native =
        t.p.promote(&t.at, id(2), from.as_ref())
            .await
            .expect("promote");
    let after = t.stages().await;
    assert!(after.contains(&(Stage::Current, id(2))) && !after.contains(&(Stage::Pending, id(2))));
    assert_eq!(t.current().await.as_deref(), Some(&b"two"[..]));
    for from in [from.as_ref(), None, Some(&native)] {
        assert_eq!(
            t.p.promote(&t.at, id(2), from).await.expect("done already"),
            native
        );
        assert_eq!(t.stages().await, after);
    }
    assert_eq!(t.native(Stage::Current).await, Some(native));
}

/// Somebody else's current is not overwritten.
pub async fn a_stale_promote_changes_nothing(s: &Subject) {
    let t = s.at("stale");
    t.make_current(1, b"one").await;
    let stale = t.native(Stage::Current).await;
    t.make_current(2, b"two").await;
    t.write(3, b"three").await;
    let before = t.stages().await;
    for from in [stale.as_ref(), None] {
        assert_eq!(
            kind(t.p.promote(&t.at, id(3), from).await),
            Some(ErrorKind::Conflict)
        );
        assert_eq!(t.stages().await, before);
        assert_eq!(t.current().await.as_deref(), Some(&b"two"[..]));
    }
}

/// Previous is the value that was current, through every further turn.
pub async fn the_old_value_stays_readable_if_claimed(s: &Subject) {
    let t = s.at("previous");
    let values = [b"one", b"two", b"thr"];
    for (n, value) in values.iter().enumerate() {
        t.make_current(n as u128 + 1, *value).await;
        let previous = t.read(&VersionRef::Stage(Stage::Previous)).await;
        match n.checked_sub(1) {
            Some(before) if t.can.keeps_previous => {
                assert_eq!(previous.as_deref(), Some(&values[before][..]))
            }
            _ => assert_eq!(previous, None),
        }
        t.write(9 + n as u128, b"candidate").await;
        assert_eq!(
            t.read(&VersionRef::Stage(Stage::Previous)).await,
            previous,
            "a write leaves it alone"
        );
    }
}

/// Pending and previous end, once and again, by id, by stage, by native name.
pub async fn destroying_again_is_done(s: &Subject) {
    let t = s.at("destroy");
    t.make_current(1, b"one").await;
    t.make_current(2, b"two").await;
    t.write(3, b"three").await;
    for v in [VersionRef::Ours(id(3)), VersionRef::Stage(Stage::Previous)] {
        for _ in 0..2 {
            t.p.destroy(&t.at, &v).await.expect("destroy");
            assert_eq!(t.read(&v).await, None);
        }
    }
    assert_eq!(t.read(&VersionRef::Ours(id(1))).await, None);
    assert_eq!(t.stages().await, [(Stage::Current, id(2))]);
    let native = t.write(4, b"four").await;
    t.p.destroy(&t.at, &VersionRef::Native(native))
        .await
        .expect("destroy");
    assert_eq!(
        kind(t.p.promote(&t.at, id(4), None).await),
        Some(ErrorKind::NotFound)
    );
    assert_eq!(t.current().await.as_deref(), Some(&b"two"[..]));
}

/// What readers use cannot be destroyed under any of its names.
pub async fn the_current_version_is_not_destroyed(s: &Subject) {
    let t = s.at("keep");
    t.make_current(1, b"one").await;
    let native = t
        .native(Stage::Current)
        .await
        .expect("there is a current version");
    for v in [
        VersionRef::Ours(id(1)),
        VersionRef::Stage(Stage::Current),
        VersionRef::Native(native),
    ] {
        assert_eq!(
            kind(t.p.destroy(&t.at, &v).await),
            Some(ErrorKind::Conflict)
        );
        assert_eq!(t.current().await.as_deref(), Some(&b"one"[..]));
    }
}

/// A current version is taken away by its name, with what was before it; a candidate stays.
pub async fn a_place_is_emptied_if_claimed(s: &Subject) {
    let t = s.at("emptied");
    t.make_current(1, b"one").await;
    let first = t.native(Stage::Current).await.expect("current");
    if !t.can.removes {
        let refused = kind(t.p.remove(&t.at, &first).await);
        assert_eq!(refused, Some(ErrorKind::Invalid));
        assert_eq!(t.current().await.as_deref(), Some(&b"one"[..]));
        return;
    }
    t.make_current(2, b"two").await;
    let stale = kind(t.p.remove(&t.at, &first).await);
    assert_eq!(stale, Some(ErrorKind::Conflict), "another one is current");
    assert_eq!(t.current().await.as_deref(), Some(&b"two"[..]));
    let second = t.native(Stage::Current).await.expect("current");
    t.write(3, b"three").await;
    for _ in 0..2 {
        t.p.remove(&t.at, &second).await.expect("remove");
        assert_eq!(t.stages().await, [(Stage::Pending, id(3))]);
        assert_eq!(t.current().await, None);
        for gone in [
            VersionRef::Ours(id(1)),
            VersionRef::Ours(id(2)),
            VersionRef::Native(second.clone()),
        ] {
            assert_eq!(t.read(&gone).await, None);
        }
    }
    t.p.promote(&t.at, id(3), None).await.expect("promote");
    assert_eq!(t.current().await.as_deref(), Some(&b"three"[..]));
    let newer = kind(t.p.remove(&t.at, &second).await);
    assert_eq!(newer, Some(ErrorKind::Conflict), "a newer one stays");
}

/// The claimed limit is kept, and one byte more is refused before anything changes.
pub async fn values_up_to_the_limit(s: &Subject) {
    let t = s.at("limit");
    let largest = vec![b'x'; t.can.value_bytes_max];
    t.make_current(1, &largest).await;
    assert!(
        t.current().await.as_deref() == Some(&largest[..]),
        "the largest value comes back"
    );
    let larger = vec![b'x'; t.can.value_bytes_max + 1];
    assert_eq!(
        kind(t.try_write(2, &larger).await),
        Some(ErrorKind::Invalid)
    );
    assert_eq!(t.count(Stage::Pending).await, 0);
}

/// Every byte comes back, or is refused; nothing is bent into text.
pub async fn bytes_that_are_not_text(s: &Subject) {
    let t = s.at("binary");
    let all: Vec<u8> = (0..=255).collect();
    match t.can.binary {
        true => {
            t.make_current(1, &all).await;
            assert_eq!(t.current().await.as_deref(), Some(&all[..]));
        }
        false => {
            assert_eq!(kind(t.try_write(1, &all).await), Some(ErrorKind::Invalid));
            assert_eq!(t.stages().await, []);
        }
    }
    let text = "ü \"quoted\" {\"base64\":\"AA==\"} $HOME %41 \\n\ttab".as_bytes();
    t.make_current(2, text).await;
    assert_eq!(t.current().await.as_deref(), Some(text));
}

/// `a`, `a/b` and `a/b/c` are three places.
pub async fn names_with_slashes_are_apart(s: &Subject) {
    let all = [s.at("a"), s.at("a/b"), s.at("a/b/c")];
    for (n, t) in all.iter().enumerate() {
        t.make_current(1, &[b'0' + n as u8]).await;
    }
    for (n, t) in all.iter().enumerate() {
        assert_eq!(t.current().await.as_deref(), Some(&[b'0' + n as u8][..]));
    }
}

/// What may be known of a version stands beside it through its life.
pub async fn public_parts_come_back(s: &Subject) {
    let t = s.at("public");
    let public = Public::from([
        ("kid".to_string(), "key-1".to_string()),
        (
            "jwk".to_string(),
            "{\"kty\":\"OKP\",\"x\":\"a=&%:\\n\"}".to_string(),
        ),
    ]);
    let expected = if t.can.public_parts {
        public.clone()
    } else {
        Public::new()
    };
    t.p.write(&t.at, id(1), &SecretValue::copy_of(b"one"), &public)
        .await
        .expect("write");
    assert_eq!(t.public(1).await, Some(expected.clone()));
    t.make_current_with(1, b"one", &public).await;
    assert_eq!(t.public(1).await, Some(expected.clone()));
    t.make_current(2, b"two").await;
    if t.can.keeps_previous {
        assert_eq!(t.public(1).await, Some(expected));
    }
    assert_eq!(t.public(2).await, Some(Public::new()));
}
