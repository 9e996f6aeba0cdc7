//! Every request of a write and a promote is lost, in each of four ways: what is said of it is
//! true, readers find the old value or the new one, and doing it again makes one version.

use std::time::Duration;

use keyrota_contract::{ErrorKind, Place, Provider, Stage, VersionRef};
use keyrota_rest::vault::{Auth, VaultProvider};

use super::{current, holder, id, make_current, native, read, write};
use crate::support::http_proxy::{Proxy, Spoil};
use crate::support::openbao::{OpenBao, input};

const PATIENCE: Duration = Duration::from_secs(2);
const LATE: Spoil = Spoil::Late(Duration::from_secs(4));

fn through(server: &OpenBao, proxy: &Proxy, fault: Spoil) -> VaultProvider {
    let mut config = server.config(Auth::Token(input(server.root_token())));
    config.address = proxy.url();
    if fault == LATE {
        config.timeout = PATIENCE;
    }
    VaultProvider::new(config).unwrap()
}

/// A look that fails changed nothing; of a change that fails nobody knows.
fn expected(turn: usize, looks: usize) -> ErrorKind {
    match turn < looks {
        true => ErrorKind::Unavailable,
        false => ErrorKind::Ambiguous,
    }
}

async fn lose_every_request(fault: Spoil) {
    let server = OpenBao::start().await;
    let proxy = Proxy::before(&server.plain()).await;
    let straight = server.provider(server.root_token());
    let mut lost = 0;

    for turn in 0.. {
        let at = Place::new(format!("write/{turn}"));
        let p = through(&server, &proxy, fault);
        make_current(&p, &at, 1, "one").await;
        proxy.spoil(Some((turn, fault)));
        let failed = write(&p, &at, 2, "two").await;
        let turns = proxy.calls().len();
        proxy.spoil(None);
        if turns <= turn {
            assert_eq!(
                (failed.is_ok(), turns),
                (true, 3),
                "a look at two paths, and the write"
            );
            break;
        }
        lost += 1;
        assert_eq!(
            failed.unwrap_err().kind,
            expected(turn, 2),
            "{fault:?} {turn}"
        );
        assert_eq!(current(&straight, &at).await.as_deref(), Some("one"));
        write(&p, &at, 2, "two").await.unwrap();
        let pending = VersionRef::Stage(Stage::Pending);
        assert_eq!(read(&straight, &at, &pending).await, Ok(Some("two".into())));
        let sibling = server
            .metadata(&format!("{}.keyrota-pending", at.path))
            .await;
        assert_eq!(
            sibling["current_version"], 1,
            "{fault:?} {turn}: written once"
        );
    }

    for turn in 0.. {
        let at = Place::new(format!("promote/{turn}"));
        let p = through(&server, &proxy, fault);
        let from = make_current(&p, &at, 1, "one").await;
        write(&p, &at, 2, "two").await.unwrap();
        proxy.spoil(Some((turn, fault)));
        let failed = p.promote(&at, id(2), Some(&from)).await;
        let turns = proxy.calls().len();
        proxy.spoil(None);
        if turns <= turn {
            assert_eq!(
                (failed.is_ok(), turns),
                (true, 6),
                "three looks, the switch, two to tidy"
            );
            break;
        }
        lost += 1;
        assert_eq!(
            failed.unwrap_err().kind,
            expected(turn, 3),
            "{fault:?} {turn}"
        );
        let now = current(&straight, &at).await;
        let switched = holder(&straight, &at, Stage::Current).await == Some(id(2));
        assert_eq!(now.as_deref(), Some(if switched { "two" } else { "one" }));
        assert!(!(turn < 3 && switched), "a look switched");
        p.promote(&at, id(2), Some(&from)).await.unwrap();
        assert_eq!(current(&straight, &at).await.as_deref(), Some("two"));
        assert_eq!(
            read(&straight, &at, &super::PREVIOUS).await,
            Ok(Some("one".into()))
        );
        assert_eq!(native(&straight, &at, Stage::Pending).await, None);
        let versions = &server.metadata(&at.path).await["current_version"];
        assert_eq!(versions, 2, "{fault:?} {turn}: switched once");
    }
    println!("{fault:?}: {lost} requests lost, 0 violations");
}

#[tokio::test]
async fn requests_that_do_not_arrive() {
    lose_every_request(Spoil::ResetBefore).await;
}

#[tokio::test]
async fn replies_that_do_not_arrive() {
    lose_every_request(Spoil::ResetAfter).await;
}

#[tokio::test]
async fn replies_that_end_in_the_middle() {
    lose_every_request(Spoil::Truncate).await;
}

#[tokio::test]
async fn replies_that_come_too_late() {
    lose_every_request(LATE).await;
}
