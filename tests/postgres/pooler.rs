//! pgbouncer between the application and the server: it keeps sessions of its own, and a list of
//! passwords that may be behind.

use std::process::Child;
use std::time::Duration;

use keyrota::rotators::database::{Endpoint, Form};
use keyrota_contract::{Probe, Rotator, RotatorError, Target, Which};

use super::bed::{Bed, FIRST, attempt};
use crate::support::postgres::Postgres as Server;

/// A running pgbouncer; ended, by its process id, when dropped.
struct Pooler {
    process: Child,
    port: u16,
    users: std::path::PathBuf,
}

impl Pooler {
    fn start(bed: &Bed, mode: &str) -> Self {
        let at = bed.server.socket();
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let settings = format!(
            "[databases]\n* = host={at} port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\n\
             auth_file = {at}/users\npool_mode = {mode}\nserver_tls_sslmode = disable\n\
             client_tls_sslmode = require\nclient_tls_cert_file = {at}/server.crt\n\
             client_tls_key_file = {at}/server.key\n",
            bed.server.port(),
            at = at.display()
        );
        std::fs::write(at.join("pooler.ini"), settings).unwrap();
        let mut pooler = Self {
            process: bed
                .server
                .beside("/usr/sbin/pgbouncer")
                .args(["-q", "pooler.ini"])
                .spawn()
                .expect("these tests need Debian's package pgbouncer"),
            port,
            users: at.join("users"),
        };
        for _ in 0..200 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return pooler;
            }
            assert!(pooler.process.try_wait().unwrap().is_none(), "it ended");
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("pgbouncer does not listen");
    }

    /// Its list of passwords, from now on.
    fn knows(&self, users: &[(&str, &str)]) {
        let lines = users.iter().map(|(u, p)| format!("\"{u}\" \"{p}\"\n"));
        std::fs::write(&self.users, lines.collect::<String>()).unwrap();
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
        std::thread::sleep(Duration::from_millis(300));
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Moves the application's end to the pooler; the current value with it.
fn behind(bed: &mut Bed, pooler: &Pooler) {
    let direct = bed.settings.endpoint.clone();
    let Form::Url(template) = &mut bed.settings.form else {
        panic!("a url")
    };
    *template = template.replace(&direct.port.to_string(), &pooler.port.to_string());
    bed.settings.endpoint = Endpoint {
        port: pooler.port,
        ..direct.clone()
    };
    bed.settings.server = Some(direct);
    bed.m.current = Some(bed.value(&bed.user(0), FIRST));
}

#[tokio::test]
async fn a_pooler_is_seen_and_its_list_waited_for() {
    for mode in ["transaction", "session"] {
        let mut bed = Bed::two(Server::start().into()).await;
        let pooler = Pooler::start(&bed, mode);
        behind(&mut bed, &pooler);
        let (a, b, admin) = (bed.user(0), bed.user(1), bed.admin());
        let known = [(a.as_str(), FIRST), (admin.as_str(), "the administrator's")];
        pooler.knows(&known);

        // Without the server's own address, it is refused to go on.
        let direct = bed.settings.server.take();
        let said = bed.rotator().preflight(&bed.m).await;
        assert!(
            matches!(said, Err(RotatorError::Refused(s)) if s.contains("by `server`")),
            "{mode}: {said:?}"
        );
        bed.settings.server = direct;

        let rotator = bed.rotator();
        let report = rotator.preflight(&bed.m).await.unwrap();
        assert!(report.server.unwrap().starts_with("postgres 7"));
        assert_eq!(rotator.control(&bed.m).await, Probe::Rejected, "{mode}");
        bed.mint();
        rotator
            .install(Which::Pending, attempt(), &bed.m)
            .await
            .unwrap();
        // The server knows it, the pooler does not.
        assert_eq!(bed.probe(Which::Pending).await, Probe::Blocked, "{mode}");
        let pending = &bed.m.pending.as_ref().unwrap().value;
        let new = bed.settings.login(pending).unwrap().password;
        pooler.knows(&[known[0], known[1], (b.as_str(), new.as_str())]);
        assert_eq!(bed.probe(Which::Pending).await, Probe::Accepted, "{mode}");
        assert_eq!(bed.probe(Which::Current).await, Probe::Accepted, "{mode}");

        bed.promote();
        rotator.refuse(Which::Previous, &bed.m).await.unwrap();
        // Refused by the server; the pooler would still let it in.
        assert_ne!(bed.probe(Which::Previous).await, Probe::Rejected, "{mode}");
        pooler.knows(&[known[1], (b.as_str(), new.as_str())]);
        assert_eq!(bed.probe(Which::Previous).await, Probe::Rejected, "{mode}");

        let Some(server) = &mut bed.settings.server else {
            panic!("it was given")
        };
        server.port = pooler.port;
        let said = bed.rotator().preflight(&bed.m).await;
        assert!(
            matches!(said, Err(RotatorError::Refused(s)) if s.contains("by `server`")),
            "{mode}: {said:?}"
        );
    }
}
