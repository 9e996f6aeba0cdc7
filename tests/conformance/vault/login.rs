//! Tokens: got, renewed, got again.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keyrota_contract::{ErrorKind, Place, Provider, SecretValue};
use keyrota_rest::vault::{Auth, Input, VaultProvider};
use reqwest::Method;
use serde_json::{Value, json};

use super::{CURRENT, current, kind, make_current, sentence};
use crate::support::openbao::{OpenBao, input, rights};

/// An input that counts how often it is asked.
fn counted(text: String) -> (Input, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let input: Input = Box::new(move || {
        counter.fetch_add(1, Ordering::SeqCst);
        Ok(SecretValue::copy_of(text.as_bytes()))
    });
    (input, asked)
}

/// A role of AppRole with the rights for `app/x`: its id and a secret id.
async fn role(server: &OpenBao, settings: Value) -> (String, String) {
    server.policy("app", &rights("app/x")).await;
    let method = json!({"type": "approle"});
    server
        .ok(Method::POST, "sys/auth/approle", Some(method))
        .await;
    let mut role = json!({"token_policies": ["app"]});
    role.as_object_mut()
        .unwrap()
        .extend(settings.as_object().unwrap().clone());
    let at = "auth/approle/role/keyrota";
    server.ok(Method::POST, at, Some(role)).await;
    let id = server.ok(Method::GET, &format!("{at}/role-id"), None).await;
    let secret = server
        .ok(Method::POST, &format!("{at}/secret-id"), Some(json!({})))
        .await;
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    (
        text(&id["data"]["role_id"]),
        text(&secret["data"]["secret_id"]),
    )
}

fn approle(server: &OpenBao, role_id: &str, secret_id: Input) -> VaultProvider {
    let auth = Auth::AppRole {
        mount: "approle".into(),
        role_id: role_id.into(),
        secret_id,
    };
    VaultProvider::new(server.config(auth)).unwrap()
}

#[tokio::test]
async fn approle_logs_in_once_and_again_after_a_revocation() {
    let server = OpenBao::start().await;
    let (role_id, secret_id) = role(&server, json!({"token_ttl": "1h"})).await;
    let (secret, asked) = counted(format!("{secret_id}\n"));
    let p = approle(&server, &role_id, secret);
    let at = Place::new("app/x");
    p.preflight(&at).await.unwrap();
    make_current(&p, &at, 1, "one").await;
    assert_eq!(asked.load(Ordering::SeqCst), 1);

    server
        .ok(
            Method::PUT,
            "sys/leases/revoke-force/auth/approle/login",
            Some(json!({})),
        )
        .await;
    make_current(&p, &at, 2, "two").await;
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    assert_eq!(current(&p, &at).await.as_deref(), Some("two"));
}

#[tokio::test]
async fn a_missing_right_is_not_taken_for_a_dead_token() {
    let server = OpenBao::start().await;
    let (role_id, secret_id) = role(&server, json!({"token_ttl": "1h"})).await;
    let (secret, asked) = counted(secret_id);
    let p = approle(&server, &role_id, secret);
    let elsewhere = Place::new("app/y");
    for _ in 0..3 {
        assert_eq!(
            kind(p.read(&elsewhere, &CURRENT).await),
            Some(ErrorKind::Denied)
        );
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_refused_login_says_so() {
    let server = OpenBao::start().await;
    let (role_id, _) = role(&server, json!({})).await;
    let at = Place::new("app/x");
    let refused = approle(&server, &role_id, input("wrong"))
        .describe(&at)
        .await;
    assert_eq!(kind(refused.clone()), Some(ErrorKind::Denied));
    assert!(sentence(refused).contains("login was refused"));
    let auth = Auth::AppRole {
        mount: "nowhere".into(),
        role_id,
        secret_id: input("x"),
    };
    let p = VaultProvider::new(server.config(auth)).unwrap();
    assert!(sentence(p.describe(&at).await).contains("`auth`"));
    for bad in ["", "a b", "a\nb"] {
        let refused = server.provider(bad).describe(&at).await;
        assert_eq!(kind(refused), Some(ErrorKind::Denied), "{bad:?}");
    }
}

/// Tokens of three seconds that may live for six: renewed, then replaced, and nothing is noticed.
#[tokio::test]
async fn a_short_token_is_renewed_and_at_its_longest_replaced() {
    let server = OpenBao::start().await;
    let lives = json!({"token_ttl": "3s", "token_max_ttl": "6s"});
    let (role_id, secret_id) = role(&server, lives).await;
    let (secret, asked) = counted(secret_id);
    let p = approle(&server, &role_id, secret);
    let at = Place::new("app/x");
    make_current(&p, &at, 1, "one").await;
    tokio::time::sleep(Duration::from_millis(2200)).await;
    assert_eq!(current(&p, &at).await.as_deref(), Some("one"));
    assert_eq!(asked.load(Ordering::SeqCst), 1, "renewed, not replaced");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(current(&p, &at).await.as_deref(), Some("one"));
    assert_eq!(asked.load(Ordering::SeqCst), 1, "the renewal was one");
    for n in 2..8 {
        make_current(&p, &at, n, &format!("value {n}")).await;
        tokio::time::sleep(Duration::from_millis(900)).await;
    }
    assert_eq!(current(&p, &at).await.as_deref(), Some("value 7"));
    assert!(
        asked.load(Ordering::SeqCst) >= 2,
        "it cannot live for so long"
    );
}

#[tokio::test]
async fn a_token_of_a_file_ends_at_its_explicit_longest_and_the_next_is_read() {
    let server = OpenBao::start().await;
    let lives = json!({"explicit_max_ttl": "3s", "ttl": "3s"});
    let short = server.token("app", &rights("app/x"), lives).await;
    let long = server
        .token("app", &rights("app/x"), json!({"ttl": "1h"}))
        .await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{short}\n")).unwrap();
    let path = file.path().to_owned();
    let token: Input = Box::new(move || Ok(SecretValue::new(std::fs::read(&path).unwrap())));
    let p = VaultProvider::new(server.config(Auth::Token(token))).unwrap();
    let at = Place::new("app/x");
    make_current(&p, &at, 1, "one").await;
    tokio::time::sleep(Duration::from_millis(3500)).await;
    // Whoever puts the next one there need not tell keyrota: it is waited for.
    for _ in 0..2 {
        let ended = p.describe(&at).await;
        assert_eq!(kind(ended.clone()), Some(ErrorKind::Unavailable));
        assert!(sentence(ended).contains("expired"));
    }
    std::fs::write(file.path(), &long).unwrap();
    make_current(&p, &at, 2, "two").await;
    assert_eq!(current(&p, &at).await.as_deref(), Some("two"));
}

#[tokio::test]
async fn a_signed_token_of_a_file_is_read_at_each_login() {
    let server = OpenBao::start().await;
    let directory = tempfile::tempdir().unwrap();
    let openssl = |arguments: &str| {
        let mut command = Command::new("openssl");
        command
            .args(arguments.split(' '))
            .current_dir(directory.path());
        assert!(command.output().unwrap().status.success(), "{arguments}");
    };
    openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem");
    openssl("pkey -in key.pem -pubout -out public.pem");
    let public = std::fs::read_to_string(directory.path().join("public.pem")).unwrap();
    let key = std::fs::read(directory.path().join("key.pem")).unwrap();

    server.policy("app", &rights("app/x")).await;
    server
        .ok(Method::POST, "sys/auth/kube", Some(json!({"type": "jwt"})))
        .await;
    let keys = json!({"jwt_validation_pubkeys": [public]});
    server
        .ok(Method::POST, "auth/kube/config", Some(keys))
        .await;
    let role = json!({
        "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["bao"],
        "token_policies": ["app"], "token_ttl": "1h",
    });
    server
        .ok(Method::POST, "auth/kube/role/keyrota", Some(role))
        .await;
    let signed = |audience: &str| {
        let claims = json!({"sub": "host-1", "aud": audience, "nbf": 1_600_000_000, "exp": 4_102_444_800_u64});
        let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
        let key = jsonwebtoken::EncodingKey::from_ec_pem(&key).unwrap();
        jsonwebtoken::encode(&header, &claims, &key).unwrap()
    };
    let file = directory.path().join("token");
    std::fs::write(&file, signed("somebody else")).unwrap();
    let path = file.clone();
    let auth = Auth::Jwt {
        mount: "kube".into(),
        role: "keyrota".into(),
        jwt: Box::new(move || Ok(SecretValue::new(std::fs::read(&path).unwrap()))),
    };
    let p = VaultProvider::new(server.config(auth)).unwrap();
    let at = Place::new("app/x");
    assert_eq!(kind(p.describe(&at).await), Some(ErrorKind::Denied));
    std::fs::write(&file, signed("bao")).unwrap();
    make_current(&p, &at, 1, "one").await;
    assert_eq!(current(&p, &at).await.as_deref(), Some("one"));
}
