//! The worked example against a real server, seen through the stock client.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use keyrota::rotators::command::{Command as Rotator, Slots};
use keyrota::world::SystemEntropy;
use keyrota_contract::{Material, Probe, Rotator as _, RotatorError, Target, Version, Which};

use super::bed::{Bed, ROTATION, version, wait_for};
use super::word;

const ADMIN: &str = "the-admins-own-password-0123456789";
const FIRST: &str = "the-first-password-of-the-application";

/// A server of its own, ended by its process id.
struct Redis {
    bed: Bed,
    port: u16,
    process: Child,
}

impl Redis {
    async fn start() -> Self {
        let mut bed = Bed::new(Slots::Dual, "");
        let acl = format!(
            "user default on >{ADMIN} ~* &* +@all\nuser app on >{FIRST} ~app:* +@all -@admin\n"
        );
        std::fs::write(bed.path("users.acl"), acl).unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/redis-acl");
        bed.settings.argv = [example, &format!("127.0.0.1:{port}"), "app", "default"]
            .map(str::to_owned)
            .to_vec();
        let process = serve(&bed, port);
        let redis = Self { bed, port, process };
        redis.ready().await;
        redis
    }

    async fn ready(&self) {
        wait_for(|| self.login("default", ADMIN)).await;
    }

    async fn restart(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process = serve(&self.bed, self.port);
        self.ready().await;
    }

    /// Whether the stock client is let in; the password goes through its input.
    fn login(&self, user: &str, password: &str) -> bool {
        self.client(&format!("AUTH {user} {password}\n"))
            .contains("OK")
    }

    fn client(&self, commands: &str) -> String {
        let mut client = Command::new("redis-cli")
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("these tests need Debian's package redis-tools");
        // It may be gone already, if there is no server yet.
        let _ = client.stdin.take().unwrap().write_all(commands.as_bytes());
        String::from_utf8(client.wait_with_output().unwrap().stdout).unwrap()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Debian ships one binary under several names; this one is in the package that is no service.
fn serve(bed: &Bed, port: u16) -> Child {
    Command::new("redis-check-rdb")
        .arg0("redis-server")
        .args([
            "--bind",
            "127.0.0.1",
            "--port",
            &port.to_string(),
            "--save",
            "",
        ])
        .arg("--dir")
        .arg(bed.dir.path())
        .arg("--aclfile")
        .arg(bed.path("users.acl"))
        .stdout(Stdio::null())
        .spawn()
        .expect("these tests need Debian's package redis-tools")
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
    let mut redis = Redis::start().await;
    let rotator: Rotator = redis.bed.rotator();
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
    redis.restart().await;
    assert!(redis.login("app", &new) && redis.login("app", FIRST));

    m.previous = m.current.take();
    m.current = m.pending.take();
    for _ in 0..2 {
        rotator.refuse(Which::Previous, &m).await.unwrap();
    }
    assert_eq!(rotator.probe(Which::Previous, &m).await, Probe::Rejected);
    assert_eq!(rotator.probe(Which::Current, &m).await, Probe::Accepted);
    assert!(redis.login("app", &new) && !redis.login("app", FIRST));
    redis.restart().await;
    assert!(redis.login("app", &new) && !redis.login("app", FIRST));
    let kept = redis.bed.file("users.acl");
    assert!(!kept.contains(&new), "the server keeps hashes");
}

#[tokio::test]
async fn a_server_that_is_gone_or_set_up_badly() {
    let mut redis = Redis::start().await;
    let rotator = redis.bed.rotator();
    let material = || uses(super::before_the_switch());

    // The current value is another one.
    let m = material();
    let wrong = rotator.preflight(&m).await.map(|_| ());
    assert!(matches!(wrong, Err(RotatorError::Refused(s)) if s.contains("not accepted")));
    // A user without a password accepts every one.
    redis.client(&format!("AUTH default {ADMIN}\nACL SETUSER app nopass\n"));
    assert_eq!(rotator.control(&m).await, Probe::Accepted);
    redis.restart().await;
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

    redis.process.kill().unwrap();
    redis.process.wait().unwrap();
    assert_eq!(
        word(rotator.install(Which::Pending, ROTATION, &m).await),
        "retry"
    );
    assert_eq!(rotator.probe(Which::Pending, &m).await, Probe::Unknown);

    // Slow, not gone: a server that takes connections and never answers.
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = deaf.local_addr().unwrap().to_string();
    redis.bed.settings.argv[1] = address;
    redis.bed.settings.timeout = Duration::from_secs(1);
    let slow = redis.bed.rotator();
    assert_eq!(
        word(slow.install(Which::Pending, ROTATION, &m).await),
        "ambiguous"
    );
    assert_eq!(slow.probe(Which::Pending, &m).await, Probe::Unknown);
}
