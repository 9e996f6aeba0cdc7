//! What goes wrong at servers: what the operator is told, and that the current value still works.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use super::bed::{Bed, FIRST, Server};
use crate::support::postgres::Postgres;

/// A cause, the end of `rotate`, what it says, and what takes the cause away.
type Trouble = (&'static str, i32, &'static str, &'static str);

/// Each is told, and gone once it is mended.
fn each(bed: &Bed, troubles: &[Trouble]) {
    for (cause, code, words, mended) in troubles {
        bed.sql(cause);
        bed.told(*code, words);
        bed.sql(mended);
        bed.sound();
        if *code == 21 {
            bed.run(&["abandon", "database"]).code(20);
        }
    }
    bed.run(&["rotate", "database", "--wait"]).code(0);
    bed.sound();
}

#[test]
fn of_roles_in_postgres() {
    let bed = Bed::two(super::postgres()).imported();
    each(
        &bed,
        &[
            (
                "ALTER ROLE {a} CONNECTION LIMIT 0",
                20,
                "CONNECTION LIMIT 0",
                "ALTER ROLE {a} CONNECTION LIMIT -1",
            ),
            (
                "ALTER ROLE {b} CONNECTION LIMIT 0",
                20,
                "CONNECTION LIMIT 0",
                "ALTER ROLE {b} CONNECTION LIMIT -1",
            ),
            (
                "ALTER ROLE {a} VALID UNTIL '2020-01-01'",
                20,
                "VALID UNTIL",
                "ALTER ROLE {a} VALID UNTIL 'infinity'",
            ),
            (
                "ALTER ROLE {b} VALID UNTIL '2020-01-01'",
                20,
                "VALID UNTIL",
                "ALTER ROLE {b} VALID UNTIL 'infinity'",
            ),
            (
                "ALTER ROLE {a} NOLOGIN",
                20,
                "NOLOGIN",
                "ALTER ROLE {a} LOGIN",
            ),
            (
                "ALTER ROLE {b} NOLOGIN",
                20,
                "NOLOGIN",
                "ALTER ROLE {b} LOGIN",
            ),
            (
                "ALTER ROLE {b} RENAME TO {b}x",
                20,
                "does not exist on the server: `keyrota plan --setup`",
                "ALTER ROLE {b}x RENAME TO {b}",
            ),
            (
                "ALTER ROLE {k} PASSWORD 'another'",
                20,
                "`keyrota import`",
                "ALTER ROLE {k} PASSWORD 'Adm1n:made/%#?-Pw'",
            ),
        ],
    );
}

#[test]
fn of_accounts_in_mariadb() {
    let bed = Bed::two(super::mariadb(&[])).imported();
    each(
        &bed,
        &[
            (
                "GRANT SELECT ON mysql.* TO {a}@'%'",
                20,
                "differ in grants",
                "REVOKE SELECT ON mysql.* FROM {a}@'%'",
            ),
            (
                "ALTER USER {a}@'%' ACCOUNT LOCK",
                20,
                "the account is locked",
                "ALTER USER {a}@'%' ACCOUNT UNLOCK",
            ),
            (
                "RENAME USER {b}@'%' TO {b}x@'%'",
                20,
                "does not exist on the server: `keyrota plan --setup`",
                "RENAME USER {b}x@'%' TO {b}@'%'",
            ),
            (
                "ALTER USER {k}@'%' IDENTIFIED BY 'another'",
                20,
                "`keyrota import`",
                "ALTER USER {k}@'%' IDENTIFIED BY 'Adm1n:made/%#?-Pw'",
            ),
            (
                "SET GLOBAL read_only = 1",
                21,
                "read-only",
                "SET GLOBAL read_only = 0",
            ),
        ],
    );
}

#[test]
fn trust_that_comes_later() {
    let server = std::sync::Arc::new(Postgres::start());
    let bed = Bed::two(Server::Postgres(server.clone())).imported();
    let rules = server.socket().join("data/pg_hba.conf");
    let sound = std::fs::read_to_string(&rules).unwrap();
    let reload = |text: &str| {
        std::fs::write(&rules, text).unwrap();
        bed.sql("SELECT pg_reload_conf()");
        std::thread::sleep(std::time::Duration::from_millis(500));
    };
    reload(&format!(
        "hostssl all {} 127.0.0.1/32 trust\n{sound}",
        bed.user("b")
    ));
    bed.told(20, "trust or peer authentication");
    reload(&sound);
    bed.run(&["rotate", "database", "--wait"]).code(0);
    bed.sound();
}

#[test]
fn a_read_only_default_of_postgres_is_no_trouble() {
    let bed = Bed::two(super::postgres()).imported();
    bed.sql("ALTER DATABASE {db} SET default_transaction_read_only = on");
    bed.run(&["rotate", "database", "--wait"]).code(0);
    bed.sound();
}

#[test]
fn a_user_that_is_still_in_use_is_waited_for() {
    for server in super::shared() {
        let bed = Bed::two(server).imported();
        bed.set_password("b", FIRST);
        let mut session = session(&bed, "b");
        bed.told(21, "still has sessions");
        bed.sound();
        drop(session.stdin.take());
        session.wait().unwrap();
        bed.run(&["rotate", "database", "--wait"]).code(0);
        bed.sound();
    }
}

#[test]
fn a_wrong_ca_is_told() {
    let other = super::mariadb(&[]);
    let Server::Mariadb(other) = &other else {
        unreachable!()
    };
    for server in super::shared() {
        let mut bed = Bed::two(server).imported();
        let right = std::mem::replace(&mut bed.plan.ca_file, other.ca_file());
        bed.write_schedule();
        let ran = bed.run(&["rotate", "database"]);
        assert!([20, 21].contains(&ran.code), "{ran:?}");
        assert!(ran.stdout.contains("ca_file"), "{ran:?}");
        let status = bed.run(&["status", "database"]).stdout;
        assert!(status.contains("ca_file"), "{status}");
        bed.plan.ca_file = right;
        bed.write_schedule();
        bed.run(&["rotate", "database", "--wait"]).code(0);
        bed.sound();
    }
}

#[test]
fn a_policy_that_takes_no_password_of_ours() {
    use crate::support::mariadb::PASSWORD_CHECK;
    let bed = Bed::two(super::mariadb(&[
        PASSWORD_CHECK,
        "--strict-password-validation=0",
    ]))
    .imported();
    bed.sql(RIGHTS);
    bed.sql("SET GLOBAL strict_password_validation = 1, simple_password_check_minimal_length = 60");
    bed.told(20, "password policy does not take this password");
    bed.sound();
    bed.sql("SET GLOBAL strict_password_validation = 0, simple_password_check_minimal_length = 8");
    bed.run(&["rotate", "database", "--wait"]).code(0);
    bed.sound();
}

/// A server that remembers passwords, and keyrota killed after each effect: what is begun again is
/// done, whatever the server has seen of it.
#[test]
fn a_server_that_remembers_passwords() {
    use crate::support::mariadb::REUSE_CHECK;
    let bed = Bed::two(super::mariadb(&[
        REUSE_CHECK,
        "--strict-password-validation=0",
    ]))
    .imported();
    bed.sql(RIGHTS);
    bed.sql("SET GLOBAL strict_password_validation = 1");
    let killed = |args: &[&str], effect: u32| {
        let mut command = bed.keyrota.command(args);
        let kill = format!("after-effect:{effect}");
        let ran = command.env("KEYROTA_KILL", kill).output().unwrap();
        ran.status.code().is_none()
    };
    let refused = Err("1045".to_owned());
    // create, install, promote, refuse.
    for effect in 1..=4 {
        assert!(
            killed(&["rotate", "database", "--wait"], effect),
            "{effect}"
        );
        bed.run(&["rotate", "database", "--wait"]).code(0);
        bed.sound();
        let previous = bed.value("previous").unwrap();
        assert_eq!(bed.client(&previous), refused, "{effect}");
    }
    // The way back, again and again beside the same current value.
    for _ in 0..3 {
        assert!(killed(&["rotate", "database", "--wait"], 2));
        let pending = bed.value("pending").unwrap();
        assert_eq!(bed.client(&pending), Ok(()));
        assert!(killed(&["abandon", "database"], 1));
        assert_eq!(bed.client(&pending), refused);
        bed.run(&["rotate", "database", "--wait"]).code(20);
        assert_eq!(bed.value("pending"), None);
        bed.sound();
    }
    bed.run(&["rotate", "database", "--wait"]).code(0);
    bed.sound();
}

#[test]
fn an_account_that_is_blocked_for_wrong_passwords() {
    let bed = Bed::two(super::mariadb(&["--max-password-errors=4"])).imported();
    for _ in 0..4 {
        bed.client(&bed.url("a", "wrong-password")).unwrap_err();
    }
    bed.told(20, "too many wrong passwords");
    bed.sql("FLUSH PRIVILEGES");
    bed.run(&["rotate", "database", "--wait"]).code(0);
    bed.sound();
}

/// Somebody sets another password between two steps: the candidate is refused, three times, then
/// keyrota waits. Whoever has had enough abandons it.
#[test]
fn the_budget_of_refusals() {
    for server in super::shared() {
        let bed = Bed::two(server).imported();
        // preflight, create, install.
        let mut command = bed.keyrota.command(&["rotate", "database"]);
        let killed = command
            .env("KEYROTA_KILL", "after-outcome:3")
            .output()
            .unwrap();
        assert_eq!(killed.status.code(), None, "{killed:?}");
        bed.set_password("b", "set-by-somebody-else");
        let mut said = String::new();
        for _ in 0..20 {
            said = bed.run(&["rotate", "database"]).code(21).stdout;
            if said.contains("three logins were refused") {
                break;
            }
            std::thread::sleep(std::time::Duration::from_secs(1));
        }
        assert!(said.contains("three logins were refused"), "{said}");
        bed.sound();
        // Why it was given up stays known, and the next one does not begin to try passwords either.
        bed.run(&["abandon", "database"]).code(20);
        let history = bed.run(&["history", "database"]).stdout;
        assert!(history.contains("three logins were refused"), "{history}");
        bed.told(21, "three logins were refused");
        assert_eq!(bed.value("pending"), None);
        bed.sound();
    }
}

/// Nothing is known of what was begun until the server is there again; then it goes on with the
/// same candidate.
#[test]
fn a_server_that_is_gone_in_the_middle() {
    for server in super::shared() {
        for point in ["after-intent:3", "after-effect:2"] {
            let server = match &server {
                Server::Postgres(s) => Server::Postgres(s.clone()),
                Server::Mariadb(s) => Server::Mariadb(s.clone()),
            };
            let mut bed = Bed::two(server).imported();
            let mut command = bed.keyrota.command(&["rotate", "database"]);
            let killed = command.env("KEYROTA_KILL", point).output().unwrap();
            assert_eq!(killed.status.code(), None, "{killed:?}");
            let candidate = bed.value("pending").unwrap();
            // Nobody listens on port 1: the same to keyrota as a server that is down.
            let port = std::mem::replace(&mut bed.plan.port, 1);
            bed.write_schedule();
            bed.told(21, "an earlier attempt may still take effect");
            assert_eq!(bed.value("pending").as_ref(), Some(&candidate));
            bed.sound();
            bed.plan.port = port;
            bed.write_schedule();
            bed.run(&["rotate", "database", "--wait"]).code(0);
            assert_eq!(bed.value("current"), Some(candidate));
            bed.sound();
        }
    }
}

/// A server that crashes at any moment of a rotation, and comes back: one new value, and it works.
#[test]
fn a_server_that_restarts_in_the_middle() {
    use std::time::Duration;
    for server in [
        Server::Postgres(Arc::new(Postgres::start())),
        super::mariadb(&[]),
    ] {
        let mut bed = Bed::two(server).imported();
        // What is acknowledged must be kept also where the server is told not to hurry.
        if matches!(bed.server, Server::Postgres(_)) {
            bed.sql("ALTER ROLE {k} SET synchronous_commit = off");
        }
        for step in 1..=10 {
            let before = bed.value("current");
            let mut command = bed.keyrota.command(&["rotate", "database", "--wait"]);
            let mut rotating = command
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_millis(120) * step);
            bed.server.crash_and_restart();
            rotating.wait().unwrap();
            bed.sound();
            // A rotation that a refused look ended is ordered again.
            let again = bed.run(&["status", "database", "--json"]).json();
            let under_way = !again["secrets"][0]["rotation"].is_null();
            if under_way || bed.value("current") == before {
                bed.run(&["rotate", "database", "--wait"]).code(0);
            }
            assert_ne!(bed.value("current"), before, "after {step} steps");
            bed.sound();
        }
        let history = bed.run(&["history", "database", "--json"]).json();
        let rotated = history["rotations"].as_array().unwrap().iter();
        let rotated = rotated.filter(|r| r["outcome"] == "rotated").count();
        assert_eq!(rotated, 10);
    }
}

/// A session of a user, which lasts until its standard input is closed.
fn session(bed: &Bed, user: &str) -> Child {
    let mut command = match &bed.server {
        Server::Postgres(s) => {
            let mut psql = Command::new("psql");
            psql.args(["-X", "-A", "-t"])
                .env("PGPASSWORD", FIRST)
                .arg(format!(
                    "host=127.0.0.1 port={} dbname={} user={} sslmode=require",
                    s.port(),
                    bed.name,
                    bed.user(user)
                ));
            psql
        }
        Server::Mariadb(s) => {
            let mut mariadb = Command::new("mariadb");
            mariadb
                .args([
                    "--no-defaults",
                    "--protocol=tcp",
                    "--host=127.0.0.1",
                    "--ssl",
                ])
                .args(["--unbuffered", "--skip-column-names"])
                .arg(format!("--port={}", s.port()))
                .arg(format!("--user={}", bed.user(user)))
                .env("MYSQL_PWD", FIRST);
            mariadb
        }
    };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    use std::io::Write;
    child
        .stdin
        .as_mut()
        .unwrap()
        .write_all(b"SELECT 1;\n")
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "1\n");
    child
}

/// What an administrator needs where a server judges passwords, and so takes no hashes.
const RIGHTS: &str =
    "GRANT CREATE USER, PROCESS ON *.* TO {k}@'%'; GRANT SELECT ON mysql.* TO {k}@'%'";
