//! A real Redis for the tests: in a temporary directory, on a free port of 127.0.0.1, its users in a
//! file. It ends when its test lets go of it.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The password of the user `default`, who may do everything.
pub const ADMIN: &str = "the-admins-own-password-0123456789";
/// The password that the user `app` begins with.
pub const FIRST: &str = "the-first-password-of-the-application";

/// A server of its own, ended by its process id.
pub struct Redis {
    directory: tempfile::TempDir,
    port: u16,
    process: Child,
}

impl Redis {
    /// Up, with its two users.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let acl = format!(
            "user default on >{ADMIN} ~* &* +@all\nuser app on >{FIRST} ~app:* +@all -@admin\n"
        );
        std::fs::write(directory.path().join("users.acl"), acl).unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let process = serve(directory.path(), port);
        let redis = Self {
            directory,
            port,
            process,
        };
        redis.ready();
        redis
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What it would remember after a restart.
    pub fn users(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("users.acl")).unwrap()
    }

    /// Killed.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Killed, and up again.
    pub fn restart(&mut self) {
        self.kill();
        self.process = serve(self.directory.path(), self.port);
        self.ready();
    }

    /// Whether the stock client is let in; the password goes through its input.
    pub fn login(&self, user: &str, password: &str) -> bool {
        self.client(&format!("AUTH {user} {password}\n"))
            .contains("OK")
    }

    /// What the stock client prints.
    pub fn client(&self, commands: &str) -> String {
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

    fn ready(&self) {
        for _ in 0..500 {
            if self.login("default", ADMIN) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("Redis does not start");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Debian ships one binary under several names; this one is in the package that is no service.
fn serve(directory: &Path, port: u16) -> Child {
    Command::new("redis-check-rdb")
        .arg0("redis-server")
        .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
        .args(["--save", "", "--dir"])
        .arg(directory)
        .arg("--aclfile")
        .arg(directory.join("users.acl"))
        .stdout(Stdio::null())
        .spawn()
        .expect("these tests need Debian's package redis-tools")
}
