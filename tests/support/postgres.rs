//! A real Postgres for the tests: in a temporary directory, on a free port of 127.0.0.1 and a unix
//! socket, TLS with a CA of its own, passwords by SCRAM. It ends when the last test lets go of it.
//! Where Postgres is missing the tests fail: a suite that skips proves nothing.

use std::fs::{File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use keyrota_contract::SecretValue;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

/// The superuser of every test server.
pub const ADMIN: &str = "admin";
const PASSWORD: &str = "correct horse battery staple";
/// What a server with a [`follower`](Postgres::follower) has before its rules.
pub const FOLLOWED: &str = "local replication all trust";

/// A running server; ended, by its process id, when dropped.
pub struct Postgres {
    directory: tempfile::TempDir,
    authority: tempfile::TempDir,
    port: u16,
    process: Child,
    user: Option<(u32, u32)>,
}

/// The CA's certificate in a directory of this user's: keyrota believes none that the server's user
/// could replace.
fn apart(directory: &Path) -> tempfile::TempDir {
    let apart = tempfile::tempdir().unwrap();
    std::fs::set_permissions(apart.path(), Permissions::from_mode(0o755)).unwrap();
    std::fs::copy(directory.join("ca.crt"), apart.path().join("ca.crt")).unwrap();
    apart
}

impl Postgres {
    /// The server that all tests running now share; each takes a [`database`](Self::database).
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(|e| e.into_inner());
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// A server of one's own.
    pub fn start() -> Self {
        Self::with("", "")
    }

    /// A server of one's own, with more lines in postgresql.conf, and others before pg_hba.conf's.
    pub fn with(settings: &str, rules: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), Permissions::from_mode(0o711)).unwrap();
        let user = unprivileged();
        if let Some((uid, gid)) = user {
            chown(directory.path(), Some(uid), Some(gid)).unwrap();
        }
        let at = Setup {
            directory: directory.path(),
            binaries: binaries(),
            user,
        };
        at.certificates();
        at.cluster(settings, rules);
        Self::run_in(directory, user)
    }

    /// A server of one's own as those before version 14 are by default: it asks a user without a
    /// verifier for the md5 of a password.
    pub fn of_md5() -> Self {
        let rule = "hostssl all all 127.0.0.1/32 md5";
        Self::with("password_encryption = 'md5'", rule)
    }

    /// On the data in this directory, on a free port.
    fn run_in(directory: tempfile::TempDir, user: Option<(u32, u32)>) -> Self {
        let at = Setup {
            directory: directory.path(),
            binaries: binaries(),
            user,
        };
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
                .port();
            let mut process = at.serve(port);
            if ready(&mut process, directory.path()) {
                return Self {
                    authority: apart(directory.path()),
                    directory,
                    port,
                    process,
                    user,
                };
            }
        }
        panic!(
            "Postgres does not start:\n{}",
            std::fs::read_to_string(directory.path().join("log")).unwrap()
        );
    }

    /// A server that follows this one, from a copy of all it has. This one needs [`FOLLOWED`].
    pub fn follower(&self) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), Permissions::from_mode(0o711)).unwrap();
        if let Some((uid, gid)) = self.user {
            chown(directory.path(), Some(uid), Some(gid)).unwrap();
        }
        let at = Setup {
            directory: directory.path(),
            binaries: binaries(),
            user: self.user,
        };
        let from = format!("-h {} -p {} -U {ADMIN}", self.socket().display(), self.port);
        at.done(
            at.binaries.join("pg_basebackup"),
            &format!("{from} -D data -R -X stream -c fast --no-sync"),
        );
        // The copied settings name the first one's certificate; of it only the CA is asked for.
        std::fs::copy(self.ca_file(), directory.path().join("ca.crt")).unwrap();
        Self::run_in(directory, self.user)
    }

    /// A follower becomes a server of its own.
    pub async fn promote(&self) {
        let promote = "SELECT pg_promote(true)".to_owned();
        self.run("postgres", promote).await.unwrap();
    }

    /// Ends the server as a crash would, and starts it again on what it left.
    pub fn crash_and_restart(&mut self) {
        self.quit();
        let at = Setup {
            directory: self.directory.path(),
            binaries: binaries(),
            user: self.user,
        };
        // What says "ready" is of the server that is gone.
        std::fs::remove_file(self.directory.path().join("data/postmaster.pid")).unwrap_or(());
        self.process = at.serve(self.port);
        let up = ready(&mut self.process, self.directory.path());
        assert!(up, "it starts again");
    }

    /// SIGQUIT: an immediate shutdown; its children end with it.
    fn quit(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
        let _ = self.process.wait();
    }

    /// The port on 127.0.0.1, which is also part of the socket's name.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The superuser's password.
    pub fn password(&self) -> SecretValue {
        SecretValue::copy_of(PASSWORD.as_bytes())
    }

    /// The CA of the server's certificate, which is for `localhost` and 127.0.0.1.
    pub fn ca_file(&self) -> PathBuf {
        self.authority.path().join("ca.crt")
    }

    /// The directory of the unix socket.
    pub fn socket(&self) -> &Path {
        self.directory.path()
    }

    /// All that it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    /// A program that runs beside the server: in its directory, as its user.
    pub fn beside(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let at = Setup {
            directory: self.directory.path(),
            binaries: PathBuf::new(),
            user: self.user,
        };
        at.command(program)
    }

    /// Makes an empty database and returns its name.
    pub async fn database(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.run("postgres", format!("CREATE DATABASE {name}"))
            .await
            .unwrap();
        name
    }

    /// Runs a script in a database, as the superuser.
    pub async fn run(&self, database: &str, script: String) -> Result<(), sqlx::Error> {
        let mut connection = self.connect(database).await;
        sqlx::raw_sql(AssertSqlSafe(script))
            .execute(&mut connection)
            .await?;
        connection.close().await
    }

    /// A connection of the superuser.
    pub async fn connect(&self, database: &str) -> PgConnection {
        PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username(ADMIN)
            .password(PASSWORD)
            .database(database)
            .ssl_mode(PgSslMode::VerifyFull)
            .ssl_root_cert(self.ca_file())
            .disable_statement_logging()
            .connect()
            .await
            .unwrap()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.quit(); // nothing is worth keeping
    }
}

struct Setup<'a> {
    directory: &'a Path,
    binaries: PathBuf,
    user: Option<(u32, u32)>,
}

impl Setup<'_> {
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.directory).stdin(Stdio::null());
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }

    fn done(&self, program: impl AsRef<std::ffi::OsStr>, arguments: &str) {
        let output = self
            .command(&program)
            .args(arguments.split(' '))
            .output()
            .expect("the program exists");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{:?} {arguments}: {said}",
            program.as_ref()
        );
    }

    fn certificates(&self) {
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        self.done(
            "openssl",
            &format!("req -x509 {key} -days 2 -subj /CN=test-ca -keyout ca.key -out ca.crt"),
        );
        let names = "-addext subjectAltName=DNS:localhost,IP:127.0.0.1";
        self.done(
            "openssl",
            &format!("req {key} -subj /CN=localhost {names} -keyout server.key -out server.csr"),
        );
        let ca = "-CA ca.crt -CAkey ca.key -CAcreateserial -copy_extensions copy";
        self.done(
            "openssl",
            &format!("x509 -req -in server.csr {ca} -days 2 -out server.crt"),
        );
    }

    fn cluster(&self, settings: &str, more_rules: &str) {
        let write = |name: &str, text: String| {
            let path = self.directory.join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            if let Some((uid, gid)) = self.user {
                chown(&path, Some(uid), Some(gid)).unwrap();
            }
        };
        write("password", format!("{PASSWORD}\n"));
        let options = "--auth=scram-sha-256 -E UTF8 --no-locale --no-sync";
        self.done(
            self.binaries.join("initdb"),
            &format!("-D data -U {ADMIN} --pwfile=password {options}"),
        );
        let at = self.directory.display();
        write(
            "data/postgresql.conf",
            format!(
                "listen_addresses = '127.0.0.1'\nunix_socket_directories = '{at}'\nmax_connections = 100\n\
                 password_encryption = 'scram-sha-256'\nssl = on\nssl_cert_file = '{at}/server.crt'\n\
                 ssl_key_file = '{at}/server.key'\nfsync = off\nfull_page_writes = off\nshared_buffers = 16MB\n{settings}\n"
            ),
        );
        let rules = "hostssl all all 127.0.0.1/32 scram-sha-256\nlocal all all scram-sha-256\n";
        write("data/pg_hba.conf", format!("{more_rules}\n{rules}"));
    }

    fn serve(&self, port: u16) -> Child {
        let log = File::create(self.directory.join("log")).unwrap();
        self.command(self.binaries.join("postgres"))
            .args(["-D", "data", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("postgres starts")
    }
}

/// The newest Postgres of the distribution.
fn binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .expect("these tests need Debian's package postgresql");
    let version = |path: &PathBuf| {
        path.file_name()
            .and_then(|n| n.to_str()?.parse::<u32>().ok())
    };
    let newest = versions.map(|v| v.unwrap().path()).max_by_key(version);
    newest
        .expect("a version of Postgres is installed")
        .join("bin")
}

/// Postgres refuses to run as root; then it runs as the user that its package made.
fn unprivileged() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = users
        .lines()
        .find(|l| l.starts_with("postgres:"))
        .expect("there is a user postgres");
    let mut ids = line.split(':').skip(2).map(|id| id.parse().unwrap());
    Some((ids.next().unwrap(), ids.next().unwrap()))
}

/// Whether it takes connections; false once it has ended (the port was taken meanwhile).
fn ready(process: &mut Child, directory: &Path) -> bool {
    for _ in 0..1500 {
        if process.try_wait().unwrap().is_some() {
            return false;
        }
        // The eighth line is its status; it listens earlier than it answers.
        let status =
            std::fs::read_to_string(directory.join("data/postmaster.pid")).unwrap_or_default();
        if status.lines().nth(7).is_some_and(|s| s.trim() == "ready") {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}
