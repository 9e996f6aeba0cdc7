//! What other hands do to a place: deleting, destroying, writing, changing what stands beside.

use keyrota_contract::{ErrorKind, Place, Provider, Stage, VersionRef};
use reqwest::Method;
use serde_json::json;

use super::{
    CURRENT, PREVIOUS, current, holder, id, kind, make_current, native, read, sentence, write,
};
use crate::support::openbao::OpenBao;

fn field(path: &str, field: &str) -> Place {
    Place {
        field: Some(field.into()),
        ..Place::new(path)
    }
}

#[tokio::test]
async fn a_soft_deleted_current_is_neither_absent_nor_overwritten() {
    let server = OpenBao::start().await;
    let p = server.provider(server.root_token());
    let at = Place::new("app/soft");
    make_current(&p, &at, 1, "one").await;
    let from = make_current(&p, &at, 2, "two").await;
    write(&p, &at, 3, "three").await.unwrap();
    server
        .bao(&["kv", "delete", "-mount=kv", "app/soft"])
        .unwrap();

    let gone = Some(ErrorKind::SoftDeleted);
    assert_eq!(kind(p.read(&at, &CURRENT).await), gone);
    assert_eq!(kind(p.describe(&at).await), gone);
    assert_eq!(kind(p.promote(&at, id(3), Some(&from)).await), gone);
    assert_eq!(kind(p.promote(&at, id(3), None).await), gone);
    assert_eq!(
        kind(p.read(&at, &VersionRef::Native(from.clone())).await),
        gone
    );
    for same in [VersionRef::Ours(id(2)), VersionRef::Native(from.clone())] {
        assert_eq!(kind(p.destroy(&at, &same).await), gone);
    }
    // The way back is not closed: the candidate can be taken away.
    p.destroy(&at, &VersionRef::Ours(id(3))).await.unwrap();

    server
        .bao(&["kv", "undelete", "-mount=kv", "-versions=2", "app/soft"])
        .unwrap();
    assert_eq!(current(&p, &at).await.as_deref(), Some("two"));
    assert_eq!(holder(&p, &at, Stage::Current).await, Some(id(2)));
}

#[tokio::test]
async fn a_destroyed_current_is_absent_and_the_next_is_still_a_check_and_set() {
    let server = OpenBao::start().await;
    let p = server.provider(server.root_token());
    let at = Place::new("app/destroyed");
    let first = make_current(&p, &at, 1, "one").await;
    server
        .bao(&["kv", "destroy", "-mount=kv", "-versions=1", "app/destroyed"])
        .unwrap();
    assert_eq!(current(&p, &at).await, None);
    assert_eq!(read(&p, &at, &VersionRef::Native(first)).await, Ok(None));
    assert_eq!(native(&p, &at, Stage::Current).await, None);
    let second = make_current(&p, &at, 2, "two").await;
    assert_eq!(second.0, "2");
    assert_eq!(current(&p, &at).await.as_deref(), Some("two"));
    assert_eq!(native(&p, &at, Stage::Previous).await, None);
}

#[tokio::test]
async fn a_previous_that_somebody_deleted_is_not_shown() {
    let server = OpenBao::start().await;
    let p = server.provider(server.root_token());
    let at = Place::new("app/previous");
    make_current(&p, &at, 1, "one").await;
    make_current(&p, &at, 2, "two").await;
    assert_eq!(read(&p, &at, &PREVIOUS).await, Ok(Some("one".into())));
    let one = json!({"versions": [1]});
    server
        .ok(Method::POST, "kv/delete/app/previous", Some(one))
        .await;
    assert_eq!(native(&p, &at, Stage::Previous).await, None);
    assert_eq!(read(&p, &at, &PREVIOUS).await, Ok(None));
}

#[tokio::test]
async fn destroying_erases_the_value_at_the_server() {
    let server = OpenBao::start().await;
    let p = server.provider(server.root_token());
    let at = Place::new("app/erased");
    let first = make_current(&p, &at, 1, "one").await;
    make_current(&p, &at, 2, "two").await;
    p.destroy(&at, &VersionRef::Native(first)).await.unwrap();
    let (status, old) = server
        .ask(Method::GET, "kv/data/app/erased?version=1", None)
        .await;
    assert_eq!(
        (status, &old["data"]["metadata"]["destroyed"]),
        (404, &json!(true))
    );
    // Nothing of the candidates is left either, in any version.
    let sibling = "kv/metadata/app/erased.keyrota-pending";
    assert_eq!(server.ask(Method::GET, sibling, None).await.0, 404);
}

/// Somebody changed another field before the rotation: two versions hold the value that is over.
#[tokio::test]
async fn destroying_erases_the_value_in_every_version_that_holds_it() {
    let server = OpenBao::start().await;
    let p = server.provider(server.root_token());
    let at = field("app/shared", "password");
    make_current(&p, &at, 1, "one").await;
    let patch = ["kv", "patch", "-mount=kv", "app/shared", "note=by-hand"];
    server.bao(&patch).unwrap();
    make_current(&p, &at, 2, "two").await;
    let over = native(&p, &at, Stage::Previous).await.unwrap();
    assert_eq!(over.0, "2");
    p.destroy(&at, &VersionRef::Native(over)).await.unwrap();
    for version in [1, 2] {
        let path = format!("kv/data/app/shared?version={version}");
        let (status, old) = server.ask(Method::GET, &path, None).await;
        let destroyed = &old["data"]["metadata"]["destroyed"];
        assert_eq!((status, destroyed), (404, &json!(true)), "{version}");
    }
    assert_eq!(current(&p, &at).await.as_deref(), Some("two"));
}

/// What was written over by somebody, and written again; a neighbour that has no such field.
#[tokio::test]
async fn destroying_looks_at_versions_before_it_too() {
    let server = OpenBao::start().await;
    let p = server.provider(server.root_token());
    let at = field("app/again", "password");
    server.put("app/again", json!({"user": "app"})).await;
    let patch = |value: &str| {
        let word = format!("password={value}");
        let patch = ["kv", "patch", "-mount=kv", "app/again", &word];
        server.bao(&patch).unwrap();
    };
    patch("by-hand");
    make_current(&p, &at, 1, "one").await;
    patch("by-hand-too");
    make_current(&p, &at, 2, "one").await;
    make_current(&p, &at, 3, "two").await;
    let over = native(&p, &at, Stage::Previous).await.unwrap();
    assert_eq!(over.0, "5");
    p.destroy(&at, &VersionRef::Native(over)).await.unwrap();
    for (version, gone) in [(1, false), (2, false), (3, true), (4, false), (5, true)] {
        let path = format!("kv/data/app/again?version={version}");
        let status = server.ask(Method::GET, &path, None).await.0;
        assert_eq!(status == 404, gone, "{version}");
    }
    assert_eq!(current(&p, &at).await.as_deref(), Some("two"));
}

#[tokio::test]
async fn a_mount_without_check_and_set_is_refused() {
    let server = OpenBao::start().await;
    server.mount("old", "1").await;
    let mut config = server.config(keyrota_rest::vault::Auth::Token(
        crate::support::openbao::input(server.root_token()),
    ));
    config.mount = "old".into();
    let p = keyrota_rest::vault::VaultProvider::new(config).unwrap();
    let at = Place::new("app/x");
    let refused = p.describe(&at).await;
    assert_eq!(kind(refused.clone()), Some(ErrorKind::Invalid));
    assert!(sentence(refused).contains("version 1"));
    assert_eq!(
        kind(write(&p, &at, 1, "one").await),
        Some(ErrorKind::Invalid)
    );
    assert_eq!(kind(p.read(&at, &CURRENT).await), Some(ErrorKind::Invalid));
}

#[tokio::test]
async fn one_field_is_changed_and_its_siblings_stay_as_they_are() {
    let server = OpenBao::start().await;
    let p = server.provider(server.root_token());
    let at = field("app/db", "password");
    let data = json!({
        "password": "by hand", "user": "app", "port": 5432, "on": true, "none": null,
        "x": {"y": [1.5, null, "\u{1}"]}, "ü\n\"": "é\\",
    });
    server.put("app/db", data.clone()).await;
    assert_eq!(current(&p, &at).await.as_deref(), Some("by hand"));

    make_current(&p, &at, 1, "\"new\"\n\\").await;
    assert_eq!(current(&p, &at).await.as_deref(), Some("\"new\"\n\\"));
    let mut kept = server.data("app/db").await;
    kept["password"] = json!("by hand");
    assert_eq!(kept, data);
    assert_eq!(read(&p, &at, &PREVIOUS).await, Ok(Some("by hand".into())));

    // A field that is not there, or no text, is no value; nothing is made up for it.
    for wrong in ["nope", "on"] {
        let wrong = field("app/db", wrong);
        assert_eq!(
            kind(p.read(&wrong, &CURRENT).await),
            Some(ErrorKind::Invalid)
        );
    }
    let whole = Place::new("app/db");
    assert!(sentence(p.read(&whole, &CURRENT).await).contains("`field`"));
}

#[tokio::test]
async fn a_sibling_that_somebody_changes_is_no_change_of_ours() {
    let server = OpenBao::start().await;
    let p = server.provider(server.root_token());
    let at = field("app/two", "password");
    server
        .put("app/two", json!({"password": "zero", "user": "a"}))
        .await;
    make_current(&p, &at, 1, "one").await;
    let from = native(&p, &at, Stage::Current).await;
    write(&p, &at, 2, "two").await.unwrap();
    server
        .bao(&["kv", "patch", "-mount=kv", "app/two", "user=b"])
        .unwrap();

    assert_eq!(holder(&p, &at, Stage::Current).await, Some(id(1)));
    assert_eq!(holder(&p, &at, Stage::Pending).await, Some(id(2)));
    assert_eq!(read(&p, &at, &PREVIOUS).await, Ok(Some("zero".into())));
    p.promote(&at, id(2), from.as_ref()).await.unwrap();
    assert_eq!(
        server.data("app/two").await,
        json!({"password": "two", "user": "b"})
    );
    // The old value stood in two versions; both are erased.
    p.destroy(&at, &VersionRef::Native(from.unwrap()))
        .await
        .unwrap();
    assert_eq!(read(&p, &at, &PREVIOUS).await, Ok(None));
    assert_eq!(holder(&p, &at, Stage::Current).await, Some(id(2)));
    for version in ["2", "3"] {
        let old = format!("kv/data/app/two?version={version}");
        assert_eq!(
            server.ask(Method::GET, &old, None).await.0,
            404,
            "{version}"
        );
    }
}

#[tokio::test]
async fn a_foreign_write_is_a_conflict_and_stays() {
    let server = OpenBao::start().await;
    let p = server.provider(server.root_token());
    let at = Place::new("app/foreign");
    let from = make_current(&p, &at, 1, "one").await;
    write(&p, &at, 2, "two").await.unwrap();
    server
        .bao(&["kv", "put", "-mount=kv", "app/foreign", "value=by hand"])
        .unwrap();

    let conflict = Some(ErrorKind::Conflict);
    assert_eq!(kind(p.promote(&at, id(2), Some(&from)).await), conflict);
    assert_eq!(kind(p.promote(&at, id(2), None).await), conflict);
    assert_eq!(
        server.data("app/foreign").await,
        json!({"value": "by hand"})
    );
    assert_eq!(holder(&p, &at, Stage::Current).await, None);
    assert_eq!(holder(&p, &at, Stage::Previous).await, Some(id(1)));
    assert_eq!(holder(&p, &at, Stage::Pending).await, Some(id(2)));

    // The old value comes back by hand: what stood between is not taken for it.
    let hand = native(&p, &at, Stage::Current).await;
    server.put("app/foreign", json!({"value": "one"})).await;
    assert_eq!(kind(p.promote(&at, id(2), hand.as_ref()).await), conflict);
}

#[tokio::test]
async fn what_others_keep_beside_a_secret_stays() {
    let server = OpenBao::start().await;
    let p = server.provider(server.root_token());
    let at = Place::new("app/beside");
    let settings =
        json!({"max_versions": 7, "cas_required": true, "custom_metadata": {"owner": "ops"}});
    server
        .ok(Method::POST, "kv/metadata/app/beside", Some(settings))
        .await;
    make_current(&p, &at, 1, "one").await;
    make_current(&p, &at, 2, "two").await;
    let meta = server.metadata("app/beside").await;
    assert_eq!(meta["max_versions"], 7);
    assert_eq!(meta["cas_required"], true);
    assert_eq!(meta["custom_metadata"]["owner"], "ops");
    assert_eq!(holder(&p, &at, Stage::Current).await, Some(id(2)));
    assert_eq!(holder(&p, &at, Stage::Previous).await, Some(id(1)));
}

#[tokio::test]
async fn check_and_set_may_be_required_by_the_mount() {
    let server = OpenBao::start().await;
    let required = json!({"cas_required": true});
    server.ok(Method::POST, "kv/config", Some(required)).await;
    let p = server.provider(server.root_token());
    let at = Place::new("app/required");
    for n in 1..=3 {
        make_current(&p, &at, n, &format!("value {n}")).await;
    }
    assert_eq!(current(&p, &at).await.as_deref(), Some("value 3"));
}

#[tokio::test]
async fn only_so_many_records_are_kept_and_they_fit() {
    let server = OpenBao::start().await;
    let p = server.provider(server.root_token());
    let at = Place::new("app/many");
    for n in 1..=14 {
        make_current(&p, &at, n, &format!("value {n}")).await;
    }
    let meta = server.metadata("app/many").await;
    let records = meta["custom_metadata"]["keyrota"].as_str().unwrap();
    assert_eq!(records.split(' ').count(), 8, "{records}");
    assert!(records.len() < 512);
    assert_eq!(holder(&p, &at, Stage::Current).await, Some(id(14)));
    assert_eq!(holder(&p, &at, Stage::Previous).await, Some(id(13)));
}

#[tokio::test]
async fn something_foreign_at_our_own_path_is_not_overwritten() {
    let server = OpenBao::start().await;
    let p = server.provider(server.root_token());
    let at = Place::new("app/mine");
    let theirs = json!({"value": "theirs"});
    server.put("app/mine.keyrota-pending", theirs.clone()).await;
    assert_eq!(
        kind(write(&p, &at, 1, "one").await),
        Some(ErrorKind::Conflict)
    );
    assert_eq!(kind(p.describe(&at).await), Some(ErrorKind::Conflict));
    assert_eq!(server.data("app/mine.keyrota-pending").await, theirs);
}

#[tokio::test]
async fn a_path_that_a_url_would_bend_is_refused() {
    let server = OpenBao::start().await;
    let p = server.provider(server.root_token());
    make_current(&p, &Place::new("a/b c?d#e%2f"), 1, "odd").await;
    assert_eq!(
        server.bao(&["kv", "get", "-mount=kv", "-field=value", "a/b c?d#e%2f"]),
        Ok("odd".into())
    );
    for path in ["", "a//b", "/a", "a/", "a/../b", "./a", "a\n"] {
        assert_eq!(
            kind(p.describe(&Place::new(path)).await),
            Some(ErrorKind::Invalid),
            "{path:?}"
        );
    }
}
