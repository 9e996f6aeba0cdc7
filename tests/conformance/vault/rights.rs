//! Rights and settings: what a later step would miss is named before the first.

use keyrota_contract::{ErrorKind, Place, Provider, Stage, VersionRef};
use reqwest::Method;
use serde_json::json;

use super::{current, id, kind, make_current, native, read, sentence, write};
use crate::support::openbao::{OpenBao, rights};

const AT: &str = "app/x";

#[tokio::test]
async fn these_rights_are_enough() {
    let server = OpenBao::start().await;
    let token = server.token("exact", &rights(AT), json!({})).await;
    let p = server.provider(&token);
    let at = Place::new(AT);
    p.preflight(&at).await.unwrap();
    let first = make_current(&p, &at, 1, "one").await;
    write(&p, &at, 2, "abandoned").await.unwrap();
    p.destroy(&at, &VersionRef::Ours(id(2))).await.unwrap();
    write(&p, &at, 3, "replaced").await.unwrap();
    write(&p, &at, 4, "four").await.unwrap();
    p.preflight(&at).await.unwrap();
    p.promote(&at, id(4), Some(&first)).await.unwrap();
    p.destroy(&at, &VersionRef::Native(first.clone()))
        .await
        .unwrap();
    assert_eq!(current(&p, &at).await.as_deref(), Some("four"));
    assert_eq!(read(&p, &at, &VersionRef::Native(first)).await, Ok(None));
    assert_eq!(native(&p, &at, Stage::Previous).await, None);
}

#[tokio::test]
async fn each_missing_right_is_named_before_the_first_step() {
    let server = OpenBao::start().await;
    let (main, sibling) = (AT, format!("{AT}.keyrota-pending"));
    let all = [
        (format!("kv/metadata/{main}"), "read"),
        (format!("kv/metadata/{main}"), "update"),
        ("kv/config".to_owned(), "read"),
        (format!("kv/data/{main}"), "read"),
        (format!("kv/data/{main}"), "create"),
        (format!("kv/data/{main}"), "update"),
        (format!("kv/destroy/{main}"), "update"),
        (format!("kv/data/{sibling}"), "read"),
        (format!("kv/data/{sibling}"), "create"),
        (format!("kv/data/{sibling}"), "update"),
        (format!("kv/metadata/{sibling}"), "read"),
        (format!("kv/metadata/{sibling}"), "delete"),
    ];
    let token = server.token("some", &rights(AT), json!({})).await;
    let at = Place::new(AT);
    for (path, right) in &all {
        let rest = all.iter().filter(|(p, r)| (p, r) != (path, right));
        let policy: String = rest
            .map(|(p, r)| format!("path \"{p}\" {{ capabilities = [\"{r}\"] }}\n"))
            .collect();
        server.policy("some", &policy).await;
        let missed = server.provider(&token).preflight(&at).await.map(drop);
        assert_eq!(kind(missed), Some(ErrorKind::Denied), "{path} {right}");
        let named = path
            .replace("kv/", "MOUNT/")
            .replace(&sibling, "PATH.keyrota-pending")
            .replace(main, "PATH");
        let expected = format!("lacks `{right}` on {named},");
        assert!(
            sentence(missed).contains(&expected),
            "{expected} {missed:?}"
        );
    }
    // Nothing was done while asking.
    assert_eq!(
        server.ask(Method::GET, "kv/metadata/app/x", None).await.0,
        404
    );

    // Rights by a wildcard, rights that a `deny` takes away.
    let wide = "path \"kv/*\" { capabilities = [\"create\", \"read\", \"update\", \"delete\"] }\n";
    server.policy("some", wide).await;
    server.provider(&token).preflight(&at).await.unwrap();
    let less = format!("{wide} path \"kv/destroy/*\" {{ capabilities = [\"deny\"] }}");
    server.policy("some", &less).await;
    let missed = server.provider(&token).preflight(&at).await.map(drop);
    assert!(
        sentence(missed).contains("MOUNT/destroy/PATH"),
        "{missed:?}"
    );
}

#[tokio::test]
async fn creating_is_needed_only_where_nothing_stands() {
    let server = OpenBao::start().await;
    let at = Place::new(AT);
    make_current(&server.provider(server.root_token()), &at, 1, "one").await;
    let main =
        format!("path \"kv/data/{AT}\" {{ capabilities = [\"create\", \"read\", \"update\"] }}");
    let less = rights(AT).replace(&main, &main.replace("\"create\", ", ""));
    assert_ne!(less, rights(AT));
    let p = server.provider(&server.token("some", &less, json!({})).await);
    p.preflight(&at).await.unwrap();
    make_current(&p, &at, 2, "two").await;
}

#[tokio::test]
async fn a_token_that_may_not_ask_for_its_rights_is_told() {
    let server = OpenBao::start().await;
    let bare = json!({"no_default_policy": true});
    let token = server.token("bare", &rights(AT), bare).await;
    let p = server.provider(&token);
    let at = Place::new(AT);
    let missed = p.preflight(&at).await.map(drop);
    assert_eq!(kind(missed), Some(ErrorKind::Denied));
    assert!(sentence(missed).contains("sys/capabilities-self"));
    // Everything else works: it may not look itself up, and need not.
    make_current(&p, &at, 1, "one").await;
}

#[tokio::test]
async fn settings_that_would_lose_a_value_are_refused() {
    let server = OpenBao::start().await;
    let p = server.provider(server.root_token());
    let at = Place::new(AT);
    make_current(&p, &at, 1, "one").await;
    for (path, setting, named) in [
        (
            "kv/metadata/app/x",
            json!({"max_versions": 1}),
            "max_versions",
        ),
        ("kv/config", json!({"max_versions": 1}), "max_versions"),
        (
            "kv/metadata/app/x",
            json!({"delete_version_after": "1h"}),
            "delete_version_after",
        ),
        (
            "kv/config",
            json!({"delete_version_after": "1h"}),
            "delete_version_after",
        ),
    ] {
        server.ok(Method::POST, path, Some(setting)).await;
        let refused = p.preflight(&at).await.map(drop);
        assert_eq!(kind(refused), Some(ErrorKind::Invalid), "{path} {named}");
        assert!(sentence(refused).contains(named), "{path} {named}");
        let back = json!({"max_versions": 0, "delete_version_after": "0s"});
        server.ok(Method::POST, path, Some(back)).await;
        p.preflight(&at).await.unwrap();
    }
}

/// A version has a time to be deleted at: the server's clock says whether it was.
#[tokio::test]
async fn a_version_that_will_be_deleted_is_there_until_then() {
    let server = OpenBao::start().await;
    let p = server.provider(server.root_token());
    let at = Place::new(AT);
    let after = json!({"delete_version_after": "1h"});
    server
        .ok(Method::POST, "kv/metadata/app/x", Some(after))
        .await;
    make_current(&p, &at, 1, "one").await;
    make_current(&p, &at, 2, "two").await;
    assert_eq!(current(&p, &at).await.as_deref(), Some("two"));
    assert_eq!(
        read(&p, &at, &super::PREVIOUS).await,
        Ok(Some("one".into()))
    );
    let after = json!({"delete_version_after": "1s"});
    server
        .ok(Method::POST, "kv/metadata/app/x", Some(after))
        .await;
    make_current(&p, &at, 3, "three").await;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert_eq!(kind(p.describe(&at).await), Some(ErrorKind::SoftDeleted));
}
