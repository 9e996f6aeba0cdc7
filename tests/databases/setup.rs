//! What `plan --setup` prints goes through the servers' own clients as it stands, a rotation works after
//! it, and it gives what it says: everything else is tried, and refused.

use std::process::Command;
use std::sync::Arc;

use super::bed::{ADMIN, Bed, FIRST, Server, login};
use crate::support::evidence::block_on;
use crate::support::keyrota::Ran;
use crate::support::leaks::Leaks;
use crate::support::mariadb::Mariadb;
use crate::support::postgres::{self, Postgres};

/// The superuser's of the MariaDB servers.
const SUPER: &str = "Correct horse, battery staple 1";
const HASH: &str = "*6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4";

/// The text for a person, with the administrator's name of this bed.
fn printed(bed: &Bed, more: &[&str]) -> String {
    let args = [&["plan", "database", "--setup"], more].concat();
    let text = bed.run(&args).code(0).stdout;
    text.replace("keyrota_admin", &bed.user("k"))
}

fn psql(server: &Postgres, database: &str, user: &str, password: &str, script: &str) -> Ran {
    let mut command = Command::new("psql");
    command
        .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1"])
        .arg(format!(
            "host=127.0.0.1 port={} dbname={database} user={user} sslmode=verify-full sslrootcert={}",
            server.port(),
            server.ca_file().display()
        ))
        .env("PGPASSWORD", password);
    Ran::fed(&mut command, script)
}

/// Two rotations, after the printed script was run. The server's log has the `call` by which passwords are
/// changed, and no password.
fn rotated(bed: Bed, log: impl Fn() -> String, call: &str) -> Bed {
    for (user, password) in [("a", FIRST), ("k", ADMIN)] {
        bed.set_password(user, password);
    }
    let bed = bed.imported();
    let mut passwords = Vec::new();
    for _ in 0..2 {
        bed.run(&["rotate", "database", "--wait"]).code(0);
        passwords.push(login(&bed.value("current").unwrap()).1);
    }
    bed.sound();
    let log = log();
    assert!(log.contains(call), "{call} is used");
    let named: Vec<_> = passwords.iter().map(|p| ("a password", p)).collect();
    assert_eq!(Leaks::of(&named).find(log.as_bytes()).len(), 0);
    bed
}

#[test]
fn postgres_gives_what_it_says() {
    let server = Arc::new(Postgres::with("log_statement = 'all'", ""));
    let name = block_on(server.database());
    let bed = Bed::bare(
        Server::Postgres(server.clone()),
        name.clone(),
        "alternating-users",
        "grace = \"1s\"",
    );
    let superuser = server.password();
    let superuser = superuser.expose_to(|p| String::from_utf8(p.to_vec()).unwrap());
    the_application_was_first(&bed, &server);
    let script = printed(&bed, &[]);
    for _ in 0..2 {
        let ran = psql(&server, &name, postgres::ADMIN, &superuser, &script).code(0);
        assert_eq!(ran.stdout, "");
    }
    bed.sql("ALTER DATABASE {db} RESET search_path");
    let bed = rotated(bed, || server.log(), "SELECT keyrota_roles.");

    // The application's data, which the administrator does not read.
    let (_, current) = login(&bed.value("current").unwrap());
    let a = bed.user("a");
    let table = "CREATE TABLE kept (x int); INSERT INTO kept VALUES (1)";
    psql(&server, &name, &a, &current, table).code(0);
    let roles =
        "SELECT r.*, a.rolpassword FROM pg_roles r JOIN pg_authid a USING (oid) ORDER BY r.oid;
         SELECT * FROM pg_auth_members ORDER BY 1, 2";
    let seen = || {
        psql(&server, &name, postgres::ADMIN, &superuser, roles)
            .code(0)
            .stdout
    };
    let before = seen();
    let sound = format!("SCRAM-SHA-256$4096:c2FsdA==${0}=:{0}=", "A".repeat(43));
    let hostile = [
        "clear text".to_owned(),
        "md5c4ca4238a0b923820dcc509a6f75849b".to_owned(),
        String::new(),
        format!("{sound}\n"),
        format!("{sound}'' SUPERUSER"),
        format!("x{sound}"),
        format!("{sound}''; ALTER ROLE {a} SUPERUSER; --"),
    ];
    let mut refused = vec![
        "SELECT keyrota_roles.\"{a}\"(NULL)".to_owned(),
        "GRANT {db}_owner TO {k}".to_owned(),
        "GRANT {a} TO {k}".to_owned(),
        "GRANT pg_read_all_data, pg_execute_server_program TO {k}".to_owned(),
        "ALTER ROLE {k} CREATEROLE".to_owned(),
        "ALTER ROLE admin PASSWORD 'x'".to_owned(),
        "ALTER ROLE {a} PASSWORD 'x'".to_owned(),
        "CREATE ROLE another".to_owned(),
        "SET ROLE {db}_owner".to_owned(),
        "SELECT * FROM kept".to_owned(),
        "DROP TABLE kept".to_owned(),
        "CREATE FUNCTION keyrota_roles.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'".to_owned(),
        "DROP FUNCTION keyrota_roles.\"{a}\"(text)".to_owned(),
        "ALTER FUNCTION keyrota_roles.\"{a}\"(text) SECURITY INVOKER".to_owned(),
        "DROP SCHEMA keyrota_roles CASCADE".to_owned(),
        format!("SELECT keyrota_roles.admin('{sound}')"),
        format!("SELECT keyrota_roles.\"{{k}}\"('{sound}')"),
    ];
    refused.extend(
        hostile
            .iter()
            .map(|verifier| format!("SELECT keyrota_roles.\"{{a}}\"('{verifier}')")),
    );
    let named = |script: &str| {
        let script = script.replace("{db}", &name).replace("{a}", &a);
        script
            .replace("{b}", &bed.user("b"))
            .replace("{k}", &bed.user("k"))
    };
    for script in &refused {
        let ran = psql(&server, &name, &bed.user("k"), ADMIN, &named(script));
        assert_eq!(ran.code, 3, "{script}: {ran:?}");
    }
    // The application's users have no part in it, though one of them made the schema.
    let own =
        "CREATE OR REPLACE FUNCTION keyrota_roles.\"{b}\"(verifier pg_catalog.text) RETURNS void";
    for script in [
        format!("SET ROLE NONE; {own} LANGUAGE sql AS ''"),
        "SET ROLE NONE; CREATE FUNCTION keyrota_roles.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'".to_owned(),
        "SET ROLE NONE; DROP FUNCTION keyrota_roles.\"{b}\"(pg_catalog.text)".to_owned(),
        "SET ROLE NONE; ALTER SCHEMA keyrota_roles RENAME TO mine".to_owned(),
        "SELECT keyrota_roles.\"{a}\"(NULL)".to_owned(),
        format!("SET ROLE NONE; SELECT keyrota_roles.\"{{a}}\"('{sound}')"),
    ] {
        let ran = psql(&server, &name, &a, &current, &named(&script));
        assert_eq!(ran.code, 3, "{script}: {ran:?}");
    }
    assert_eq!(seen(), before);

    // A function of the caller's own, found first, is not the one that is called.
    let shadow = named(&format!(
        "CREATE FUNCTION pg_temp.format(text, VARIADIC \"any\") RETURNS text LANGUAGE internal AS 'text_format_nv';
         CREATE FUNCTION pg_temp.format(text, text, text) RETURNS text LANGUAGE sql AS
             $$ SELECT 'ALTER ROLE {{k}} CREATEROLE'::text $$;
         SET search_path = pg_temp, pg_catalog;
         SELECT keyrota_roles.\"{{b}}\"('{sound}')"
    ));
    let shadow = shadow.split_once(";\n").unwrap().1;
    psql(&server, &name, &bed.user("k"), ADMIN, shadow).code(0);
    let changed = seen();
    let lines = before.lines().zip(changed.lines());
    let different: Vec<_> = lines.filter(|(old, new)| old != new).collect();
    assert_eq!(
        different.len(),
        1,
        "one role's password and nothing else: {different:?}"
    );
    assert!(different[0].1.starts_with(&bed.user("b")), "{different:?}");

    // A user that became a superuser is out of reach.
    bed.sql("ALTER ROLE {b} SUPERUSER");
    let script = format!("SELECT keyrota_roles.\"{}\"('{sound}')", bed.user("b"));
    let ran = psql(&server, &name, &bed.user("k"), ADMIN, &script);
    assert!(ran.stderr.contains("superuser"), "{ran:?}");
}

/// A user of the application has made, before the script runs, all that the script makes, and a type to mislead it.
fn the_application_was_first(bed: &Bed, server: &Postgres) {
    bed.sql("CREATE ROLE {a} LOGIN PASSWORD 'first'; ALTER DATABASE {db} OWNER TO {a}");
    let mut script = "CREATE SCHEMA keyrota_roles; GRANT ALL ON SCHEMA keyrota_roles TO PUBLIC;
         CREATE DOMAIN keyrota_roles.text AS pg_catalog.text;
         ALTER DATABASE {db} SET search_path = keyrota_roles, pg_catalog;"
        .replace("{db}", &bed.name);
    for user in ["a", "b"] {
        for kind in ["pg_catalog.text", "keyrota_roles.text", "pg_catalog.name"] {
            script += &format!(
                "CREATE FUNCTION keyrota_roles.\"{}\"({kind}) RETURNS void LANGUAGE sql SECURITY DEFINER AS '';",
                bed.user(user)
            );
        }
    }
    psql(server, &bed.name, &bed.user("a"), "first", &script).code(0);
}

/// What stands in the rights' comments for servers where nobody may make such functions.
#[test]
fn an_administrator_with_createrole_needs_no_functions() {
    let bed = Bed::two(super::postgres()).imported();
    bed.sql("REVOKE USAGE ON SCHEMA keyrota_roles FROM {k}; ALTER ROLE {k} CREATEROLE");
    bed.run(&["rotate", "database", "--wait"]).code(0);
    bed.sound();
}

#[test]
fn mariadb_gives_what_it_says() {
    for (strategy, lines) in [
        ("alternating-users", "grace = \"1s\""),
        ("single-user", "grace = \"1s\""),
    ] {
        let server = Arc::new(Mariadb::start(&[]));
        let name = "shop_app".to_owned();
        let bed = Bed::bare(Server::Mariadb(server.clone()), name, strategy, lines);
        bed.sql(
            "CREATE DATABASE shop_app; CREATE TABLE shop_app.kept (x int);
             CREATE DATABASE `shop-app`; CREATE TABLE `shop-app`.theirs (x int);
             CREATE DATABASE shopXapp; CREATE TABLE shopXapp.theirs (x int)",
        );
        let script = printed(&bed, &[]);
        // A user of the application has made the procedures first.
        bed.sql(
            "CREATE USER {a}@'%' IDENTIFIED BY 'first' REQUIRE SSL;
             GRANT CREATE, CREATE ROUTINE ON keyrota_accounts.* TO {a}@'%'",
        );
        let mut first = "CREATE DATABASE keyrota_accounts;".to_owned();
        for user in ["a", "b"].map(|user| bed.user(user)) {
            first += &format!(
                "CREATE PROCEDURE keyrota_accounts.{user}(what VARCHAR(20), a VARCHAR(41), b VARCHAR(41))
                 SQL SECURITY DEFINER SELECT 1;"
            );
        }
        let a = bed.user("a");
        assert_eq!(server.client(&a, "first", &first), Ok(String::new()));
        for _ in 0..2 {
            assert_eq!(server.client("admin", SUPER, &script), Ok(String::new()));
        }
        bed.sql("REVOKE CREATE, CREATE ROUTINE ON keyrota_accounts.* FROM {a}@'%'");
        let bed = rotated(bed, || server.statements(), "CALL keyrota_accounts.");
        the_application(&bed, &server);
        the_administrator(&bed, &server);
    }
}

#[test]
fn a_procedure_with_the_rights_of_a_user_is_not_called() {
    let server = Arc::new(Mariadb::start(&[]));
    let bed = Bed::two(Server::Mariadb(server.clone())).imported();
    bed.sql(
        "CREATE OR REPLACE DEFINER = {a}@'%' PROCEDURE keyrota_accounts.{b}(what VARCHAR(20), first VARCHAR(41),
         second VARCHAR(41)) SQL SECURITY DEFINER SELECT 1",
    );
    bed.told(20, "cannot read the accounts");
    let call = format!("CALL keyrota_accounts.`{}`", bed.user("b"));
    assert!(!server.statements().contains(&call));
}

fn the_application(bed: &Bed, server: &Mariadb) {
    let (_, current) = login(&bed.value("current").unwrap());
    let a = bed.user("a");
    let tried = |sql: &str| server.client(&a, &current, sql);
    for sql in [
        "INSERT INTO shop_app.kept VALUES (1)",
        "UPDATE shop_app.kept SET x = 2",
        "SELECT * FROM shop_app.kept",
        "DELETE FROM shop_app.kept",
        "CREATE TEMPORARY TABLE shop_app.mine (x int)",
        "LOCK TABLES shop_app.kept WRITE",
    ] {
        assert!(tried(sql).is_ok(), "{sql}");
    }
    let procedure = format!("CALL keyrota_accounts.{a}('refuse', NULL, NULL)");
    let altered = format!("ALTER PROCEDURE keyrota_accounts.{a} SQL SECURITY INVOKER");
    let elsewhere = [
        "DROP DATABASE `shop-app`",
        "USE `shop-app`",
        "SELECT * FROM `shop-app`.theirs",
        "CREATE TABLE `shop-app`.mine (x int)",
        "DROP DATABASE shopXapp",
        "SELECT * FROM shopXapp.theirs",
        "SELECT * FROM mysql.user",
        &procedure,
        &altered,
    ];
    let tables = [
        "DROP DATABASE shop_app",
        "DROP TABLE shop_app.kept",
        "ALTER TABLE shop_app.kept ADD y int",
        "CREATE TABLE shop_app.mine (x int)",
    ];
    for sql in elsewhere.iter().chain(&tables) {
        let heard = tried(sql);
        assert!(matches!(heard, Err(1044 | 1142 | 1370)), "{sql}: {heard:?}");
    }
    // With --owner it changes its own tables, and still nothing of others.
    let script = printed(bed, &["--owner"]);
    assert_eq!(server.client("admin", SUPER, &script), Ok(String::new()));
    for sql in [
        "ALTER TABLE shop_app.kept ADD y int",
        "CREATE TABLE shop_app.mine (x int)",
    ] {
        assert!(tried(sql).is_ok(), "{sql}");
    }
    for sql in elsewhere {
        assert!(tried(sql).is_err(), "{sql}");
    }
}

fn the_administrator(bed: &Bed, server: &Mariadb) {
    let (a, k) = (bed.user("a"), bed.user("k"));
    let accounts = "SELECT Host, User, Priv FROM mysql.global_priv ORDER BY 1, 2";
    let seen = || server.client("admin", SUPER, accounts).unwrap();
    let before = seen();
    let mut refused: Vec<String> = [
        "ALTER USER admin@'127.0.0.1' IDENTIFIED BY 'x'",
        "SET PASSWORD FOR admin@'127.0.0.1' = PASSWORD('x')",
        "CREATE USER another IDENTIFIED BY 'x'",
        "GRANT ALL PRIVILEGES ON *.* TO {k}@'%'",
        "SHOW CREATE USER admin@'127.0.0.1'",
        "SHOW GRANTS FOR admin@'127.0.0.1'",
        "SELECT * FROM mysql.user",
        "SELECT * FROM mysql.global_priv",
        "SELECT * FROM shop_app.kept",
        "DROP PROCEDURE keyrota_accounts.{a}",
        "CREATE OR REPLACE PROCEDURE keyrota_accounts.{a}() SELECT 1",
        "CREATE PROCEDURE keyrota_accounts.mine() SELECT 1",
        "CALL keyrota_accounts.admin('methods', NULL, NULL)",
        "CALL keyrota_accounts.{a}('drop', NULL, NULL)",
        "CALL keyrota_accounts.{a}(NULL, NULL, NULL)",
        "CALL keyrota_accounts.{a}('accept', NULL, NULL)",
    ]
    .map(str::to_owned)
    .to_vec();
    for hostile in [
        "clear text",
        "",
        "invalid",
        "x'', admin@''127.0.0.1'' IDENTIFIED BY ''x",
        "*6C8989366EAF75BB670AD8EA7A7FC1176A95CEF\\'",
        "*6c8989366eaf75bb670ad8ea7a7fc1176a95cef4",
        "*6C8989366EAF75BB670AD8EA7A7FC1176A95CEF\\n",
    ] {
        refused.push(format!(
            "CALL keyrota_accounts.{{a}}('accept', '{hostile}', NULL)"
        ));
        refused.push(format!(
            "CALL keyrota_accounts.{{a}}('accept', '{HASH}', '{hostile}')"
        ));
    }
    for sql in refused {
        let sql = sql.replace("{a}", &a).replace("{k}", &k);
        let heard = server.client(&k, ADMIN, &sql);
        assert!(heard.is_err(), "{sql}: {heard:?}");
    }
    assert_eq!(seen(), before);
    // Of the sessions of others it learns how many a user has.
    let session = block_on(server.connect("admin", SUPER)).unwrap();
    let listed = server.client(&k, ADMIN, "SHOW PROCESSLIST").unwrap();
    assert!(!listed.contains("admin\t"), "{listed}");
    drop(session);
}
