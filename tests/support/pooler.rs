//! A real pgbouncer in front of a test's Postgres.

use std::process::Child;
use std::time::Duration;

use super::postgres::Postgres;

/// A running pgbouncer; ended, by its process id, when dropped.
pub struct Pooler {
    process: Child,
    /// On 127.0.0.1.
    pub port: u16,
    users: std::path::PathBuf,
}

impl Pooler {
    /// Knows the passwords that it is [told](Self::knows).
    pub fn start(server: &Postgres, mode: &str) -> Self {
        Self::with(server, mode, "")
    }

    /// Asks the server for a user's verifier, as `asker`, and lets go of sessions that nobody uses.
    pub fn asking(server: &Postgres, mode: &str, asker: &str, password: &str) -> Self {
        const ASK: &str = "SELECT usename, passwd FROM pg_catalog.pg_shadow WHERE usename=$1";
        let pooler = Self::with(
            server,
            mode,
            &format!("auth_user = {asker}\nauth_query = {ASK}\nserver_idle_timeout = 1\n"),
        );
        pooler.knows(&[(asker, password)]);
        pooler
    }

    fn with(server: &Postgres, mode: &str, more: &str) -> Self {
        let at = server.socket();
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
             client_tls_key_file = {at}/server.key\n{more}",
            server.port(),
            at = at.display()
        );
        std::fs::write(at.join("pooler.ini"), settings).unwrap();
        let mut pooler = Self {
            process: server
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
    pub fn knows(&self, users: &[(&str, &str)]) {
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
