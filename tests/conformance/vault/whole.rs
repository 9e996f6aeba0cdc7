//! Whole rotations by the command line, with the stock program beside it.

use std::os::unix::fs::PermissionsExt;

use reqwest::Method;
use serde_json::json;

use crate::support::keyrota::Keyrota;
use crate::support::openbao::{OpenBao, rights};

const PLAIN: &str = "development/token";
const SHARED: &str = "team/db";

/// A directory with a schedule whose secrets stand in `server`, as a token that may do no more than
/// it must.
async fn bed(server: &OpenBao, more: &str) -> Keyrota {
    let keyrota = Keyrota::in_temp();
    let policy = format!("{}{}", rights(PLAIN), rights(SHARED));
    let token = server.token("keyrota", &policy, json!({"ttl": "1h"})).await;
    keyrota.write("token", &format!("{token}\n"));
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(keyrota.path("token"), private).unwrap();
    let schedule = format!(
        r#"environment = "development"
[providers.vault]
kind = "vault"
address = "{}"
mount = "kv"
ca_file = "{}"
auth = {{ method = "token", token = {{ file = "token" }} }}

[secrets.token]
kind = "random"
refresh = "0s"
env = "TOKEN"

[secrets.db]
kind = "random"
path = "team/db"
field = "password"
refresh = "0s"
env = "DB_PASSWORD"
{more}"#,
        server.address(),
        server.ca_file().display(),
    );
    keyrota.write("schedules/development.toml", &schedule);
    keyrota
}

fn get(server: &OpenBao, field: &str, path: &str) -> String {
    let field = format!("-field={field}");
    server
        .bao(&["kv", "get", "-mount=kv", &field, path])
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rotations_are_read_by_the_stock_program() {
    let server = OpenBao::start().await;
    server
        .put(SHARED, json!({"password": "by hand", "user": "app"}))
        .await;
    let keyrota = bed(&server, "").await;
    keyrota.run(&["validate"]).code(0);
    keyrota.run(&["rotate", "--all", "--wait"]).code(0);
    let first = (
        get(&server, "value", PLAIN),
        get(&server, "password", SHARED),
    );
    keyrota.run(&["rotate", "--all", "--wait"]).code(0);
    let second = (
        get(&server, "value", PLAIN),
        get(&server, "password", SHARED),
    );
    assert!(first.0 != second.0 && first.1 != second.1 && second.1 != "by hand");
    assert_eq!(second.0.len(), 32);
    assert_eq!(get(&server, "user", SHARED), "app");
    let shown = keyrota.run(&["run", "--", "/usr/bin/env"]).code(0).stdout;
    assert!(shown.contains(&format!("TOKEN={}\n", second.0)));
    assert!(shown.contains(&format!("DB_PASSWORD={}\n", second.1)));
    keyrota.run(&["audit", "verify"]).code(0);
    // The old values are erased, and nothing of a candidate is left.
    for (path, old) in [(PLAIN, "1"), (SHARED, "2")] {
        let version = format!("kv/data/{path}?version={old}");
        let (status, gone) = server.ask(Method::GET, &version, None).await;
        let destroyed = &gone["data"]["metadata"]["destroyed"];
        assert_eq!((status, destroyed), (404, &json!(true)), "{path} {old}");
        let sibling = format!("kv/metadata/{path}.keyrota-pending");
        assert_eq!(server.ask(Method::GET, &sibling, None).await.0, 404);
    }
    let told = keyrota.run(&["providers"]).code(0).stdout;
    assert!(told.contains("vault") && told.contains("check-and-set"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_named_before_anything_is_done() {
    let server = OpenBao::start().await;
    let keyrota = bed(&server, "").await;
    let less = rights(PLAIN).replace("kv/destroy/", "kv/nothing/");
    server.policy("keyrota", &less).await;
    let ran = keyrota.run(&["rotate", "token", "--dry-run"]);
    assert_ne!(ran.code, 0);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("MOUNT/destroy/PATH"), "{said}");
    keyrota.run(&["rotate", "token"]).code(20);
    let made = format!("kv/metadata/{PLAIN}");
    assert_eq!(server.ask(Method::GET, &made, None).await.0, 404);
}
