//! A store fails under a process that is at work, and comes back: it waits, longer each time, says why, and
//! ends by itself.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use keyrota_contract::Stage;
use reqwest::Method;
use serde_json::{Value, json};

use super::bed::{Bed, Stores, admin, turns};
use super::faults::{Token, When, call};
use crate::recovery::databases::on_postgres;
use crate::support::http_proxy::Spoil;
use crate::support::keyrota::Ran;

/// The least pauses after one failure and two: half of a second, and twice as long.
const PAUSES: [u64; 2] = [500, 1_000];

/// `rotate token --wait`, which has come to its switch and hangs there.
fn at_the_switch(token: &Token, provider: &str) -> Child {
    let switch = call(provider, When::Finish);
    token.proxy.fail(switch, usize::MAX, Spoil::Hold);
    let mut command = token.bed.command(&["rotate", "token", "--wait"]);
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until("it comes to the switch", || token.proxy.spoilt() > 0);
    child
}

fn until(what: &str, is: impl Fn() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// It ends well, by itself, with one new value.
fn ends(token: &Token, child: Child, old: &str) -> Ran {
    let ran = Ran::of(child.wait_with_output().unwrap()).code(0);
    let (new, pending) = (token.value(Stage::Current), token.value(Stage::Pending));
    assert!(new.is_some_and(|new| new != old) && pending.is_none());
    let evidence = token.evidence();
    assert_eq!((evidence.rotations.len(), evidence.under_way()), (2, false));
    assert_eq!(evidence.report.exit_code(), 0);
    ran
}

fn status(token: &Token) -> Value {
    let status = token.bed.run(&["status", "--json"]).code(0).json();
    status["secrets"][0]["rotation"].clone()
}

#[test]
fn throttled_it_comes_back_later_each_time() {
    let stores = Stores::start();
    for (provider, error) in [
        ("sm", Spoil::Answer(400, "ThrottlingException")),
        ("ssm", Spoil::Answer(400, "ThrottlingException")),
        (
            "vault",
            Spoil::Answer(429, "request path: rate limit quota exceeded"),
        ),
    ] {
        let token = Token::new(&stores, provider, "middle/throttled");
        let old = token.value(Stage::Current).unwrap();
        token.proxy.fail(call(provider, When::Finish), 2, error);
        let mut command = token.bed.command(&["rotate", "token", "--wait"]);
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let ran = ends(&token, child.unwrap(), &old);
        assert_eq!(token.proxy.spoilt(), 2, "{provider}");
        let told = "asked too often";
        let told = if provider == "vault" {
            "how often it is asked"
        } else {
            told
        };
        assert!(ran.stderr.contains(told), "{provider}: {ran:?}");
        assert!(ran.stderr.contains("keyrota resume"), "{provider}: {ran:?}");
        // The longest pauses between two calls are those after a failure, in their order.
        let moments = token.proxy.moments();
        let mut pauses: Vec<_> = moments
            .windows(2)
            .map(|w| w[1] - w[0])
            .enumerate()
            .collect();
        pauses.sort_by_key(|(_, pause)| std::cmp::Reverse(*pause));
        pauses.truncate(2);
        pauses.sort();
        // Vault said `Retry-After: 2`, each time.
        let least = if provider == "vault" {
            [2_000; 2]
        } else {
            PAUSES
        };
        for ((_, pause), least) in pauses.iter().zip(least) {
            let least = Duration::from_millis(least);
            assert!(*pause >= least, "{provider}: {pauses:?}");
        }
    }
}

#[test]
fn what_may_pass_is_tried_ten_times_before_anything_changed() {
    let stores = Stores::start();
    let token = Token::new(&stores, "ssm", "middle/given-up");
    let old = token.value(Stage::Current).unwrap();
    let throttled = Spoil::Answer(400, "ThrottlingException");
    token
        .proxy
        .fail(call("ssm", When::Create), usize::MAX, throttled);
    token.bed.run(&["rotate", "token"]).code(21);
    for _ in 2..=9 {
        let ran = token.bed.run(&["resume", "token"]).code(21);
        assert!(
            ran.stdout.contains("create: AWS is asked too often"),
            "{ran:?}"
        );
    }
    // The tenth gives up, and cannot take back what may stand there.
    let ran = token.bed.run(&["resume", "token"]).code(21);
    assert!(
        ran.stdout.contains("undo: AWS is asked too often"),
        "{ran:?}"
    );
    assert_eq!(token.proxy.spoilt(), 11, "one call for each try");
    token.proxy.lift();
    let ran = token.bed.run(&["resume", "token"]).code(20);
    assert!(
        ran.stdout.contains("the old value is still current"),
        "{ran:?}"
    );
    assert_eq!(token.value(Stage::Current).unwrap(), old);
    assert_eq!(token.value(Stage::Pending), None);
    token.bed.run(&["rotate", "token", "--wait"]).code(0);
    token.bed.run(&["audit", "verify"]).code(0);
}

#[test]
fn sealed_in_the_middle_it_waits_and_goes_on_when_unsealed() {
    let stores = Stores::start();
    let token = Token::new(&stores, "vault", "middle/sealed");
    let old = token.value(Stage::Current).unwrap();
    let child = at_the_switch(&token, "vault");
    stores.runtime.block_on(stores.bao.seal());
    let before = token.proxy.calls().len();
    token.proxy.lift();
    // The switch was refused as well; then two tries.
    until("it tries again", || token.proxy.calls().len() >= before + 2);
    until("it waits", || {
        let waits = status(&token);
        waits["waits_for"] == "retry" && waits["phase"] == "finish"
    });
    assert_eq!(status(&token)["failure"], "the server is sealed");
    let moments = token.proxy.moments();
    let pauses: Vec<_> = moments[before..].windows(2).map(|w| w[1] - w[0]).collect();
    assert!(pauses.iter().all(|p| p.as_millis() >= 500), "{pauses:?}");
    stores.runtime.block_on(stores.bao.unseal());
    let ran = ends(&token, child, &old);
    assert!(
        ran.stderr.contains("finish: the server is sealed"),
        "{ran:?}"
    );
    let made = stores
        .runtime
        .block_on(stores.bao.metadata("middle/sealed"));
    assert_eq!(made["current_version"], 2, "one new value");
}

#[test]
fn a_token_that_ends_in_the_middle_is_waited_for() {
    let stores = Stores::start();
    let token = Token::new(&stores, "vault", "middle/token");
    let issue = || {
        let policy = "path \"*\" { capabilities = [\"create\", \"read\", \"update\", \"delete\"] }";
        let made = stores.bao.token("all", policy, json!({"ttl": "1h"}));
        stores.runtime.block_on(made)
    };
    let first = issue();
    token.bed.keyrota.write("token", &first);
    let old = token.value(Stage::Current).unwrap();
    let child = at_the_switch(&token, "vault");
    revoke(&stores, &first);
    token.proxy.lift();
    until("it fails", || status(&token)["waits_for"] == "retry");
    let why = status(&token)["failure"].as_str().unwrap().to_owned();
    assert!(
        why.contains("expired, was revoked") && why.contains("put a new one"),
        "{why}"
    );
    token.bed.keyrota.write("token", &issue());
    ends(&token, child, &old);
}

#[test]
fn a_login_that_is_lost_in_the_middle_is_repeated() {
    let stores = Stores::start();
    let token = Token::new(&stores, "vault", "middle/approle");
    let ask = |method, path: &str, body| stores.runtime.block_on(stores.bao.ok(method, path, body));
    let policy = "path \"*\" { capabilities = [\"create\", \"read\", \"update\", \"delete\"] }";
    stores.runtime.block_on(stores.bao.policy("all", policy));
    ask(
        Method::POST,
        "sys/auth/approle",
        Some(json!({"type": "approle"})),
    );
    let at = "auth/approle/role/keyrota";
    ask(
        Method::POST,
        at,
        Some(json!({"token_policies": ["all"], "token_ttl": "1h"})),
    );
    let role = ask(Method::GET, &format!("{at}/role-id"), None);
    let role = role["data"]["role_id"].as_str().unwrap().to_owned();
    let secret = || {
        let made = ask(Method::POST, &format!("{at}/secret-id"), Some(json!({})));
        made["data"]["secret_id"].as_str().unwrap().to_owned()
    };
    token.bed.keyrota.write("token", &secret());
    let file = token.bed.keyrota.path("schedules/development.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let auth = "auth = { method = \"token\", token = { file = \"token\" } }";
    let login = format!(
        "auth = {{ method = \"approle\", role_id = \"{role}\", secret_id = {{ file = \"token\" }} }}"
    );
    assert!(text.contains(auth));
    std::fs::write(&file, text.replace(auth, &login)).unwrap();
    let old = token.value(Stage::Current).unwrap();
    let child = at_the_switch(&token, "vault");
    let force = "sys/leases/revoke-force/auth/approle/login";
    ask(Method::PUT, force, Some(json!({})));
    token.proxy.lift();
    let ran = ends(&token, child, &old);
    assert!(
        !ran.stderr.contains("tried again"),
        "nothing failed: {ran:?}"
    );
    // Its secret ends as well: the server does not say why it refuses, so a person is told.
    let child = at_the_switch(&token, "vault");
    ask(Method::PUT, force, Some(json!({})));
    token
        .bed
        .keyrota
        .write("token", "00000000-0000-0000-0000-000000000000");
    token.proxy.lift();
    let ran = Ran::of(child.wait_with_output().unwrap()).code(22);
    assert!(ran.stdout.contains("the login was refused"), "{ran:?}");
    token.bed.keyrota.write("token", &secret());
    token.bed.run(&["resume", "token", "--wait"]).code(0);
    assert_eq!(token.evidence().report.exit_code(), 0);
}

fn revoke(stores: &Stores, token: &str) {
    let which = json!({"token": token});
    let revoke = stores
        .bao
        .ok(Method::POST, "auth/token/revoke", Some(which));
    stores.runtime.block_on(revoke);
}

/// A database is told the new value early and refuses the old one late, whatever the store does in between.
#[test]
fn a_login_is_refused_only_when_the_store_has_the_next_one() {
    let stores = Stores::start();
    for (provider, ended) in [
        ("sm", Spoil::Answer(400, "ExpiredTokenException")),
        ("ssm", Spoil::ResetAfter),
        ("vault", Spoil::Answer(503, "Vault is sealed")),
    ] {
        let (ground, proxy) = (on_postgres(2), stores.proxy(provider));
        let path = "middle/database";
        let secret = ground.secret("database", &turns("admin", provider, path));
        let secrets = admin("admin", "local", "admin") + &secret;
        let bed = Bed::behind(stores.clone(), &proxy, &secrets);
        bed.import("database", "admin", &ground);
        bed.run(&["rotate", "database", "--wait"]).code(0);
        let value = |stage| stores.value(provider, path, stage).unwrap();
        let old = value(Stage::Current);
        proxy.fail(call(provider, When::Finish), usize::MAX, ended);
        bed.run(&["rotate", "database"]).code(21);
        bed.run(&["resume", "database"]).code(21);
        // Both log in: readers may have either, and nobody knows what the store has.
        assert_eq!((ground.login)(&old), Ok(()), "{provider}");
        assert_eq!((ground.login)(&value(Stage::Current)), Ok(()), "{provider}");
        proxy.fail(call(provider, When::Before), usize::MAX, ended);
        bed.run(&["resume", "database"]).code(21);
        proxy.lift();
        bed.run(&["resume", "database", "--wait"]).code(0);
        let new = value(Stage::Current);
        assert!(new != old && (ground.login)(&new) == Ok(()), "{provider}");
        assert!((ground.login)(&old).is_err(), "{provider}: refused at last");
        bed.run(&["audit", "verify"]).code(0);
    }
}

/// Parameter Store has no compare-and-set: a put that was given up may come when all is over. The same value
/// again is nothing; an older one, after a further turn, is what a person could have written, and told.
#[test]
fn a_put_that_comes_late_is_nothing_or_told() {
    const FOREIGN: &str = "another tool changed the current value";
    let stores = Stores::start();
    let token = Token::new(&stores, "ssm", "middle/late");
    let numbers = || {
        let history = ["ssm", "get-parameter-history", "--name", "/middle/late"];
        let numbers = stores
            .moto
            .aws(&[&history[..], &["--query", "Parameters[].Version"]].concat());
        numbers.split_whitespace().last().unwrap().to_owned()
    };
    let mut others = 0;
    for turns_between in [0, 1] {
        let old = token.value(Stage::Current);
        token.proxy.fail(call("ssm", When::Finish), 1, Spoil::Hold);
        let ran = token.bed.run(&["rotate", "token"]).code(21);
        assert!(ran.stdout.contains("did not answer in time"), "{ran:?}");
        token.bed.run(&["resume", "token", "--wait"]).code(0);
        let held = token.value(Stage::Current);
        assert_ne!(held, old);
        for _ in 0..turns_between {
            token.bed.run(&["rotate", "token", "--wait"]).code(0);
            assert_ne!(token.value(Stage::Current), held);
        }
        let last = numbers();
        token.proxy.lift();
        until("it comes", || numbers() != last);
        assert_eq!(token.value(Stage::Current), held);
        let ran = token.bed.run(&["rotate", "token", "--wait"]).code(0);
        assert_eq!(ran.stderr.contains(FOREIGN), turns_between > 0, "{ran:?}");
        others += turns_between;
    }
    let evidence = token.evidence();
    let told = evidence
        .log
        .iter()
        .filter(|e| e["event"] == "drift.detected");
    assert_eq!((told.count(), evidence.report.exit_code()), (others, 0));
}
