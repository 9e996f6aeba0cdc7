//! A server that is sealed, elsewhere, or somebody else's.

use keyrota_contract::{ErrorKind, Place, Provider};
use keyrota_rest::vault::{Auth, VaultConfig, VaultProvider};
use reqwest::Method;
use serde_json::json;

use super::{current, id, kind, make_current, sentence, write};
use crate::support::openbao::{OpenBao, input};

fn changed(server: &OpenBao, change: impl FnOnce(&mut VaultConfig)) -> VaultProvider {
    let mut config = server.config(Auth::Token(input(server.root_token())));
    change(&mut config);
    VaultProvider::new(config).unwrap()
}

#[tokio::test]
async fn sealed_in_the_middle_nothing_is_lost_and_it_goes_on() {
    let server = OpenBao::start().await;
    let p = server.provider(server.root_token());
    let at = Place::new("app/sealed");
    let from = make_current(&p, &at, 1, "one").await;
    write(&p, &at, 2, "two").await.unwrap();
    server.seal().await;
    let sealed = p.promote(&at, id(2), Some(&from)).await;
    assert_eq!(kind(sealed.clone()), Some(ErrorKind::Unavailable));
    assert!(sentence(sealed).contains("sealed"));
    assert_eq!(kind(p.describe(&at).await), Some(ErrorKind::Unavailable));
    let fresh = server.provider(server.root_token()).describe(&at).await;
    assert_eq!(kind(fresh), Some(ErrorKind::Unavailable));
    server.unseal().await;
    p.promote(&at, id(2), Some(&from)).await.unwrap();
    assert_eq!(current(&p, &at).await.as_deref(), Some("two"));
    assert_eq!(server.metadata("app/sealed").await["current_version"], 2);
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_not_trusted() {
    let server = OpenBao::start().await;
    let other = OpenBao::start().await;
    let at = Place::new("app/x");
    let wrong = changed(&server, |c| {
        c.authorities = std::fs::read(other.ca_file()).ok()
    });
    let refused = wrong.describe(&at).await;
    assert_eq!(kind(refused.clone()), Some(ErrorKind::Unavailable));
    assert!(sentence(refused).contains("ca_file"));
    let system = changed(&server, |c| c.authorities = None)
        .describe(&at)
        .await;
    assert_eq!(kind(system), Some(ErrorKind::Unavailable));
    let nowhere = changed(&server, |c| c.authorities = Some(b"no PEM".to_vec()));
    assert!(sentence(nowhere.describe(&at).await).contains("ca_file"));
    let name = changed(&server, |c| {
        c.address = format!("https://[::1]:{}", server.socket().port());
    });
    assert_eq!(kind(name.describe(&at).await), Some(ErrorKind::Unavailable));
}

#[tokio::test]
async fn a_mount_that_is_not_there_is_named() {
    let server = OpenBao::start().await;
    let at = Place::new("app/x");
    let missing = changed(&server, |c| c.mount = "nope".into())
        .describe(&at)
        .await;
    assert!(sentence(missing).contains("no such mount"));
    let below = changed(&server, |c| c.mount = "kv/app".into())
        .describe(&at)
        .await;
    assert_eq!(kind(below.clone()), Some(ErrorKind::Invalid));
    assert!(sentence(below).contains("the mount itself"));
    let other = changed(&server, |c| c.mount = "cubbyhole".into())
        .describe(&at)
        .await;
    assert_eq!(kind(other), Some(ErrorKind::Invalid));
    // Taken away under a running process: an error, never "absent".
    let p = server.provider(server.root_token());
    make_current(&p, &at, 1, "one").await;
    server.ok(Method::DELETE, "sys/mounts/kv", None).await;
    assert_eq!(kind(p.describe(&at).await), Some(ErrorKind::NotFound));
}

#[tokio::test]
async fn namespaces_are_apart() {
    let server = OpenBao::start().await;
    let team = "team";
    server
        .ok(Method::POST, "sys/namespaces/team", Some(json!({})))
        .await;
    let engine = json!({"type": "kv", "options": {"version": "2"}});
    let made = server
        .ask_in(team, Method::POST, "sys/mounts/kv", Some(engine))
        .await;
    assert!(made.0 < 300, "{made:?}");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let at = Place::new("app/x");
    let inside = changed(&server, |c| c.namespace = Some(team.into()));
    let outside = server.provider(server.root_token());
    make_current(&outside, &at, 1, "outside").await;
    make_current(&inside, &at, 2, "inside").await;
    assert_eq!(current(&outside, &at).await.as_deref(), Some("outside"));
    assert_eq!(current(&inside, &at).await.as_deref(), Some("inside"));
    let read = "kv/data/app/x";
    let there = server.ask_in(team, Method::GET, read, None).await.1;
    assert_eq!(there["data"]["data"], json!({"value": "inside"}));
    let nowhere = changed(&server, |c| c.namespace = Some("nope".into()));
    let missing = nowhere.describe(&at).await;
    assert_eq!(kind(missing.clone()), Some(ErrorKind::NotFound));
    assert!(sentence(missing).contains("namespace"));
}
