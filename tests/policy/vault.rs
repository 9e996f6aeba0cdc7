//! Against OpenBao, with tokens that have no other policy, not even `default`.

use std::os::unix::fs::PermissionsExt;

use reqwest::Method;
use serde_json::{Value, json};

use super::said;
use crate::support::keyrota::{Keyrota, Ran};
use crate::support::openbao::OpenBao;

fn schedule(server: &OpenBao, name: &str) -> String {
    format!(
        r#"environment = "development"
[defaults]
refresh = "0s"
[providers.vault]
kind = "vault"
address = "{}"
mount = "kv"
ca_file = "{}"
auth = {{ method = "token", token = {{ file = "token" }} }}
[secrets.token]
kind = "random"
path = "{name}/token"
length = 40
grace = "1s"
env = "TOKEN"
[secrets.admin]
kind = "external"
path = "{name}/admin"
field = "password"
env = "ADMIN"
"#,
        server.address(),
        server.ca_file().display(),
    )
}

/// With a token whose policy is what `flags` print.
async fn bed(server: &OpenBao, name: &str, flags: &[&str]) -> Keyrota {
    let keyrota = Keyrota::in_temp();
    keyrota.write("schedules/development.toml", &schedule(server, name));
    let printed = keyrota.run(&[&["policy"], flags].concat()).code(0).stdout;
    let bare = json!({"no_default_policy": true, "ttl": "1h"});
    let token = server.token(name, &printed, bare).await;
    keyrota.write("token", &token);
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(keyrota.path("token"), private).unwrap();
    keyrota
}

/// Each path with each right, as `--json` has them.
fn needs(keyrota: &Keyrota, flags: &[&str]) -> Vec<(String, String)> {
    let args = [&["policy", "--json"], flags].concat();
    let all = keyrota.run(&args).code(0).json();
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let needs = all["providers"][0]["needs"].as_array().unwrap().iter();
    needs
        .map(|n| (text(&n["on"]), text(&n["action"])))
        .collect()
}

fn without(all: &[(String, String)], one: &(String, String)) -> String {
    let rest = all.iter().filter(|need| *need != one);
    rest.map(|(path, right)| format!("path \"{path}\" {{ capabilities = [\"{right}\"] }}\n"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_printed_is_enough() {
    let server = OpenBao::start().await;
    let keyrota = bed(&server, "life", &[]).await;
    keyrota.run(&["rotate", "token", "--wait"]).code(0);
    keyrota.run(&["rotate", "token", "--dry-run"]).code(0);
    keyrota.run(&["rotate", "token", "--wait"]).code(0);
    server
        .put("life/admin", json!({"password": "by-hand", "user": "root"}))
        .await;
    keyrota.run(&["import", "admin", "--in-place"]).code(0);
    let value = server.data("life/token").await["value"]
        .as_str()
        .unwrap()
        .to_owned();
    let shown = |ran: Ran| assert!(ran.code(0).stdout.contains(&format!("TOKEN={value}\n")));
    shown(keyrota.run(&["run", "--", "env"]));
    keyrota.run(&["audit", "verify"]).code(0);

    let printed = keyrota.run(&["policy", "--reader"]).code(0).stdout;
    server.policy("life", &printed).await;
    shown(keyrota.run(&["run", "--", "env"]));
    let turned = keyrota.run(&["rotate", "token"]);
    assert!(
        turned.code == 20 && said(&turned).contains("capabilities-self"),
        "{turned:?}"
    );
    let all = needs(&keyrota, &["--reader"]);
    for need in all.iter().filter(|(path, _)| path.starts_with("kv/")) {
        server.policy("life", &without(&all, need)).await;
        let ran = keyrota.run(&["run", "--", "env"]).code(125);
        assert!(said(&ran).contains("policy"), "{need:?} {ran:?}");
    }

    let person = bed(&server, "person", &["--import"]).await;
    let import = ["import", "admin", "--stdin"];
    person.run_with_stdin(&import, "by-hand").code(0);
    assert_eq!(server.data("person/admin").await["password"], "by-hand");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_right_is_missed_by_name_before_the_first_step() {
    let server = OpenBao::start().await;
    let all = needs(&bed(&server, "all", &[]).await, &[]);
    let (mut named, mut unmissed) = (0, Vec::new());
    for when in ["first", "later"] {
        for n in 0..all.len() {
            let name = format!("{when}{n}");
            let keyrota = bed(&server, &name, &[]).await;
            let all = needs(&keyrota, &[]);
            let (path, right) = &all[n];
            if path.ends_with("/admin") || path.contains("/admin.") {
                continue;
            }
            if when == "later" {
                keyrota.run(&["rotate", "token", "--wait"]).code(0);
            }
            let at = format!("kv/metadata/{name}/token");
            // Not all of an answer: each has an id of its own.
            let before = server.ask(Method::GET, &at, None).await.1["data"].take();
            server.policy(&name, &without(&all, &all[n])).await;
            let dry = keyrota.run(&["rotate", "token", "--dry-run"]);
            let ran = keyrota.run(&["rotate", "token", "--wait"]);
            println!("{when} {right} {path}: {} {}", dry.code, ran.code);
            if ran.code == 0 {
                unmissed.push(format!("{when} {path} {right}").replace(&name, "NAME"));
                continue;
            }
            named += 1;
            let general = path
                .replace(&format!("{name}/token"), "PATH")
                .replace("kv/", "MOUNT/");
            for ran in [&dry, &ran] {
                assert!([20, 78].contains(&ran.code), "{path} {right}: {ran:?}");
                assert!(said(ran).contains(&general), "{path} {right}: {ran:?}");
            }
            let after = server.ask(Method::GET, &at, None).await.1["data"].take();
            assert_eq!(after, before);
            let sibling = format!("{at}.keyrota-pending");
            assert_eq!(server.ask(Method::GET, &sibling, None).await.0, 404);
        }
    }
    assert_eq!(
        unmissed,
        [
            "first auth/token/lookup-self read",
            "first auth/token/renew-self update",
            "later kv/data/NAME/token create",
            "later auth/token/lookup-self read",
            "later auth/token/renew-self update",
        ]
    );
    assert_eq!(named, 2 * 15 - 5);
}
