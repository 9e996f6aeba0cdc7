//! A real MariaDB for the tests: in a temporary directory, on a free port of 127.0.0.1, TLS with a CA
//! of its own, every statement written to a general log. It ends when the last test lets go of it.
//! Where MariaDB is missing the tests fail: a suite that skips proves nothing.

use std::fs::{File, Permissions};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use keyrota_contract::SecretValue;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

/// The user of every test server that may do everything.
pub const ADMIN: &str = "admin";
/// Good enough for the plugin that judges passwords.
const PASSWORD: &str = "Correct horse, battery staple 1";

/// A running server; ended, by its process id, when dropped.
pub struct Mariadb {
    directory: tempfile::TempDir,
    authority: tempfile::TempDir,
    user: Option<(u32, u32)>,
    port: u16,
    options: Vec<String>,
    process: Child,
}

/// The CA's certificate in a directory of this user's: keyrota believes none that the server's user
/// could replace.
fn apart(directory: &Path) -> tempfile::TempDir {
    let apart = tempfile::tempdir().unwrap();
    std::fs::set_permissions(apart.path(), Permissions::from_mode(0o755)).unwrap();
    std::fs::copy(directory.join("ca.crt"), apart.path().join("ca.crt")).unwrap();
    apart
}

impl Mariadb {
    /// The server that all tests running now share; each takes a [`database`](Self::database).
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Mariadb>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(|e| e.into_inner());
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start(&[]));
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// A server of one's own, with more options (`--read-only`).
    pub fn start(options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), Permissions::from_mode(0o711)).unwrap();
        let user = unprivileged();
        if let Some((uid, gid)) = user {
            chown(directory.path(), Some(uid), Some(gid)).unwrap();
        }
        let at = Setup {
            directory: directory.path(),
            user,
        };
        at.certificates();
        at.tables();
        let mut options: Vec<_> = options.iter().map(|o| (*o).to_owned()).collect();
        if options.iter().any(|o| o.starts_with(PLUGIN)) {
            for plugin in [PASSWORD_CHECK, REUSE_CHECK, ED25519].map(|o| &o[PLUGIN.len()..]) {
                let file = format!("{plugin}.so");
                let kept = crate::tidy::tree::root().join(PLUGINS).join(&file);
                std::fs::copy(kept, directory.path().join(file))
                    .expect("`tests/run` fetches this plugin");
            }
            options.push(format!("--plugin-dir={}", directory.path().display()));
        }
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
                .port();
            let mut process = at.serve(port, &options);
            if ready(&mut process, port) {
                return Self {
                    authority: apart(directory.path()),
                    directory,
                    user,
                    port,
                    options,
                    process,
                };
            }
        }
        panic!(
            "MariaDB does not start:\n{}",
            std::fs::read_to_string(directory.path().join("log")).unwrap()
        );
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The admin's password.
    pub fn password(&self) -> SecretValue {
        SecretValue::copy_of(PASSWORD.as_bytes())
    }

    /// The CA of the server's certificate, which is for `localhost` and 127.0.0.1.
    pub fn ca_file(&self) -> PathBuf {
        self.authority.path().join("ca.crt")
    }

    /// Every statement the server was sent, as its general log has them.
    pub fn statements(&self) -> String {
        let log = std::fs::read(self.directory.path().join("general.log")).unwrap();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Makes an empty database and returns its name, which is also a prefix for names of users.
    pub async fn database(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.run(format!("CREATE DATABASE {name}")).await.unwrap();
        name
    }

    /// Runs a script as the admin; it is not among the [`statements`](Self::statements).
    pub async fn run(&self, script: String) -> Result<(), sqlx::Error> {
        let mut connection = self.connect(ADMIN, PASSWORD).await?;
        sqlx::raw_sql("SET SESSION sql_log_off = 1")
            .execute(&mut connection)
            .await?;
        sqlx::raw_sql(AssertSqlSafe(script))
            .execute(&mut connection)
            .await?;
        connection.close().await
    }

    /// A connection of a user.
    pub async fn connect(
        &self,
        user: &str,
        password: &str,
    ) -> Result<MySqlConnection, sqlx::Error> {
        MySqlConnectOptions::new()
            .host("127.0.0.1")
            .port(self.port)
            .username(user)
            .password(password)
            .ssl_mode(MySqlSslMode::VerifyIdentity)
            .ssl_ca(self.ca_file())
            .disable_statement_logging()
            .connect()
            .await
    }

    /// What the stock client prints for a statement, or the number of the error it names.
    pub fn client(&self, user: &str, password: &str, statement: &str) -> Result<String, u16> {
        let output = Command::new("mariadb")
            .args(["--no-defaults", "--protocol=tcp", "--host=127.0.0.1"])
            .args(["--ssl-verify-server-cert", "--skip-column-names"])
            .arg(format!("--port={}", self.port))
            .arg(format!("--ssl-ca={}", self.ca_file().display()))
            .arg(format!("--user={user}"))
            .env("MYSQL_PWD", password)
            .stdin(script(statement))
            .output()
            .expect("the mariadb client is installed");
        let said = String::from_utf8(output.stderr).unwrap();
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout).unwrap());
        }
        // It may quote the statement first.
        let mut lines = said.lines();
        let number = lines
            .find_map(|line| line.strip_prefix("ERROR "))
            .and_then(|rest| rest.split(' ').next());
        Err(number.and_then(|n| n.parse().ok()).expect(&said))
    }

    /// Ends the server as a crash would, and starts it again on what it left.
    pub fn crash_and_restart(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let at = Setup {
            directory: self.directory.path(),
            user: self.user,
        };
        self.process = at.serve(self.port, &self.options);
        assert!(ready(&mut self.process, self.port), "it starts again");
    }
}

impl Drop for Mariadb {
    fn drop(&mut self) {
        // SIGKILL: nothing is worth keeping.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A statement on standard input: there is no limit, and nothing in the list of processes.
fn script(statement: &str) -> Stdio {
    use std::io::{Seek, Write};
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(statement.as_bytes()).unwrap();
    file.rewind().unwrap();
    file.into()
}

struct Setup<'a> {
    directory: &'a Path,
    user: Option<(u32, u32)>,
}

impl Setup<'_> {
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.directory).stdin(Stdio::null());
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }

    fn done(&self, program: &str, arguments: &str) {
        let output = self
            .command(program)
            .args(arguments.split(' '))
            .output()
            .expect("the program exists");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments}: {said}");
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

    fn tables(&self) {
        let at = self.directory.display();
        let options = "--auth-root-authentication-method=normal --skip-test-db --skip-name-resolve";
        std::fs::create_dir(self.directory.join("tmp")).unwrap();
        if let Some((uid, gid)) = self.user {
            chown(self.directory.join("tmp"), Some(uid), Some(gid)).unwrap();
        }
        self.done(
            "mariadb-install-db",
            &format!("--no-defaults --datadir={at}/data --tmpdir={at}/tmp {options}"),
        );
        let admin = format!("{ADMIN}@'127.0.0.1'");
        let init = format!(
            "ALTER USER root@localhost ACCOUNT LOCK;\n\
             CREATE USER IF NOT EXISTS {admin} IDENTIFIED BY '{PASSWORD}' REQUIRE SSL;\n\
             GRANT ALL ON *.* TO {admin} WITH GRANT OPTION;\n"
        );
        let path = self.directory.join("init.sql");
        std::fs::write(&path, init).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    }

    fn serve(&self, port: u16, options: &[String]) -> Child {
        let log = File::create(self.directory.join("log")).unwrap();
        let at = self.directory.display();
        self.command("/usr/sbin/mariadbd")
            .args(["--no-defaults", "--bind-address=127.0.0.1"])
            .arg(format!("--port={port}"))
            .args(["data", "tmp"].map(|d| format!("--{d}dir={at}/{d}")))
            .arg(format!("--socket={at}/socket"))
            .arg(format!("--pid-file={at}/pid"))
            .arg(format!("--init-file={at}/init.sql"))
            .args(["ca=ca.crt", "cert=server.crt", "key=server.key"].map(|o| {
                let (part, file) = o.split_once('=').unwrap();
                format!("--ssl-{part}={at}/{file}")
            }))
            .args([
                "--general-log=1",
                "--skip-name-resolve",
                "--performance-schema=off",
            ])
            .arg(format!("--general-log-file={at}/general.log"))
            .args([
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-buffer-pool-size=16M",
            ])
            .args(options)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("these tests need Debian's package mariadb-server-core")
    }
}

/// The options that load a plugin into a server of `start`: one that judges passwords, one that refuses
/// those that an account has had, and another way to log in.
pub const PASSWORD_CHECK: &str = "--plugin-load-add=simple_password_check";
pub const REUSE_CHECK: &str = "--plugin-load-add=password_reuse_check";
pub const ED25519: &str = "--plugin-load-add=auth_ed25519";
const PLUGIN: &str = "--plugin-load-add=";

/// Where they are. Debian keeps them in a package that would start a service, so `tests/run` only
/// takes them out of there.
const PLUGINS: &str = "target/mariadb";

/// MariaDB refuses to run as root; then it runs as nobody.
fn unprivileged() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = users
        .lines()
        .find(|l| l.starts_with("nobody:"))
        .expect("there is a user nobody");
    let mut ids = line.split(':').skip(2).map(|id| id.parse().unwrap());
    Some((ids.next().unwrap(), ids.next().unwrap()))
}

/// Whether it takes connections, which it does after the init file; false once it has ended (the
/// port was taken meanwhile).
fn ready(process: &mut Child, port: u16) -> bool {
    for _ in 0..1500 {
        if process.try_wait().unwrap().is_some() {
            return false;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}
