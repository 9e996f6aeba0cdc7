//! The worked example against a real server, seen through the stock client.

use std::net::TcpListener;
use std::time::Duration;

use keyrota::rotators::command::{Command as Rotator, Slots};
use keyrota::world::SystemEntropy;
use keyrota_contract::{Material, Probe, Rotator as _, RotatorError, Target, Version, Which};

use super::bed::{Bed, ROTATION, version};
use super::word;
use crate::support::redis::{ADMIN, FIRST, Redis};

/// A server, and the example for it.
fn example() -> (Redis, Bed) {
    let (redis, mut bed) = (Redis::start(), Bed::new(Slots::Dual, ""));
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/redis-acl");
    bed.settings.argv = [program, &redis.address(), "app", "default"]
        .map(str::to_owned)
        .to_vec();
    (redis, bed)
}

fn uses(m: Material) -> Material {
    Material {
        uses: [("admin".to_owned(), version(None, ADMIN))].into(),
        ..m
    }
}

fn text(v: &Version) -> String {
    v.value
        .expose_to(|b| String::from_utf8(b.to_vec()).unwrap())
}

#[tokio::test]
async fn two_passwords_in_the_grace_and_one_afterwards() {
    let (mut redis, bed) = example();
    let rotator: Rotator = bed.rotator();
    let mut m = uses(Material {
        current: Some(version(None, FIRST)),
        ..Material::default()
    });

    rotator.preflight(&m).await.unwrap();
    assert_eq!(rotator.control(&m).await, Probe::Rejected);
    let minted = rotator.create(&m, &mut SystemEntropy).unwrap();
    let pending = Version {
        id: Some(ROTATION),
        value: minted.value,
        public: minted.public,
    };
    let new = text(&pending);
    m.pending = Some(pending);
    assert_eq!(rotator.probe(Which::Pending, &m).await, Probe::Rejected);

    for _ in 0..2 {
        rotator.install(Which::Pending, ROTATION, &m).await.unwrap();
    }
    assert_eq!(rotator.probe(Which::Pending, &m).await, Probe::Accepted);
    assert_eq!(rotator.probe(Which::Current, &m).await, Probe::Accepted);
    // The grace, which a restart of the server does not end.
    assert!(redis.login("app", &new) && redis.login("app", FIRST));
    redis.restart();
    assert!(redis.login("app", &new) && redis.login("app", FIRST));

    m.previous = m.current.take();
    m.current = m.pending.take();
    for _ in 0..2 {
        rotator.refuse(Which::Previous, &m).await.unwrap();
    }
    assert_eq!(rotator.probe(Which::Previous, &m).await, Probe::Rejected);
    assert_eq!(rotator.probe(Which::Current, &m).await, Probe::Accepted);
    assert!(redis.login("app", &new) && !redis.login("app", FIRST));
    redis.restart();
    assert!(redis.login("app", &new) && !redis.login("app", FIRST));
    assert!(!redis.users().contains(&new), "the server keeps hashes");
}

#[tokio::test]
async fn a_server_that_is_gone_or_set_up_badly() {
    let (mut redis, mut bed) = example();
    let rotator = bed.rotator();
    let material = || uses(super::before_the_switch());

    // The current value is another one.
    let m = material();
    let wrong = rotator.preflight(&m).await.map(|_| ());
    assert!(matches!(wrong, Err(RotatorError::Refused(s)) if s.contains("not accepted")));
    // A user without a password accepts every one.
    redis.client(&format!("AUTH default {ADMIN}\nACL SETUSER app nopass\n"));
    assert_eq!(rotator.control(&m).await, Probe::Accepted);
    redis.restart();
    assert_eq!(rotator.control(&m).await, Probe::Rejected);
    // An account that is missing is not made.
    redis.client(&format!("AUTH default {ADMIN}\nACL DELUSER app\n"));
    let missing = rotator.install(Which::Pending, ROTATION, &m).await;
    assert_eq!(word(missing), "refused");
    // An admin that is not let in changed nothing.
    let mut locked_out = material();
    locked_out.uses = [("admin".to_owned(), version(None, FIRST))].into();
    let outcome = rotator.install(Which::Pending, ROTATION, &locked_out).await;
    assert_eq!(word(outcome), "retry");

    redis.kill();
    assert_eq!(
        word(rotator.install(Which::Pending, ROTATION, &m).await),
        "retry"
    );
    assert_eq!(rotator.probe(Which::Pending, &m).await, Probe::Unknown);

    // Slow, not gone: a server that takes connections and never answers.
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = deaf.local_addr().unwrap().to_string();
    bed.settings.argv[1] = address;
    bed.settings.timeout = Duration::from_secs(1);
    let slow = bed.rotator();
    assert_eq!(
        word(slow.install(Which::Pending, ROTATION, &m).await),
        "ambiguous"
    );
    assert_eq!(slow.probe(Which::Pending, &m).await, Probe::Unknown);
}
