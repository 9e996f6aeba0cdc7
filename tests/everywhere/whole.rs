//! One schedule with all four providers and both databases: everything is rotated, and the vendors'
//! own programs read the values and log in with them.

use std::process::Command;

use super::bed::{Bed, Stores, admin, turns};
use crate::recovery::databases::{on_mariadb, on_postgres};

const SECRETS: &str = r#"
[secrets.parameter]
kind = "random"
provider = "ssm"
path = "team/parameter"
env = "PARAMETER"
[secrets.token]
kind = "random"
env = "TOKEN"
"#;

/// What the vendors' programs read: the logins of both databases, and a parameter.
fn read(bed: &Bed) -> [String; 3] {
    let (moto, bao) = (&bed.stores.moto, &bed.stores.bao);
    let secret = [
        "secretsmanager",
        "get-secret-value",
        "--secret-id",
        "team/pg",
    ];
    let current = ["--version-stage", "AWSCURRENT", "--query", "SecretString"];
    let parameter = ["ssm", "get-parameter", "--name", "/team/parameter"];
    let plain = ["--with-decryption", "--query", "Parameter.Value"];
    [
        moto.aws(&[&secret[..], &current].concat()),
        bao.bao(&["kv", "get", "-mount=kv", "-field=value", "team/maria"])
            .unwrap(),
        moto.aws(&[&parameter[..], &plain].concat()),
    ]
}

/// A login as the URL has it, which is made of letters that need no encoding.
struct Login<'u> {
    user: &'u str,
    password: &'u str,
    port: &'u str,
    database: &'u str,
}

fn login(url: &str) -> Login<'_> {
    let (_, rest) = url.split_once("://").unwrap();
    let (user, rest) = rest.split_once(':').unwrap();
    let (password, rest) = rest.split_once("@127.0.0.1:").unwrap();
    let (port, database) = rest.split_once('/').unwrap();
    assert!(!password.contains('%'), "it would have to be decoded");
    Login {
        user,
        password,
        port,
        database,
    }
}

fn psql(url: &str, ca: &std::path::Path) -> Result<String, String> {
    let to = login(url);
    let output = Command::new("psql")
        .args(["-X", "-A", "-t", "-c", "SELECT session_user"])
        .arg(format!(
            "host=127.0.0.1 port={} dbname={} user={} sslmode=verify-full sslrootcert={}",
            to.port,
            to.database,
            to.user,
            ca.display()
        ))
        .env("PGPASSWORD", to.password)
        .output()
        .unwrap();
    said(output)
}

fn mariadb(url: &str, ca: &std::path::Path) -> Result<String, String> {
    let to = login(url);
    let output = Command::new("mariadb")
        .args(["--no-defaults", "--protocol=tcp", "--host=127.0.0.1"])
        .args(["--ssl-verify-server-cert", "--skip-column-names"])
        .args(["-e", "SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1)"])
        .arg(format!("--port={}", to.port))
        .arg(format!("--ssl-ca={}", ca.display()))
        .arg(format!("--user={}", to.user))
        .arg(to.database)
        .env("MYSQL_PWD", to.password)
        .output()
        .unwrap();
    said(output)
}

fn said(output: std::process::Output) -> Result<String, String> {
    let text = |bytes| String::from_utf8(bytes).unwrap().trim().to_owned();
    match output.status.success() {
        true => Ok(text(output.stdout)),
        false => Err(text(output.stderr)),
    }
}

#[test]
fn one_schedule_with_every_provider_and_both_databases() {
    let (postgres, maria) = (on_postgres(2), on_mariadb(2));
    let secrets = [
        // Each administrator is kept elsewhere than the login that it changes.
        admin("pg_admin", "vault", "team/pg-admin"),
        admin("maria_admin", "ssm", "team/maria-admin"),
        postgres.secret("pg", &turns("pg_admin", "sm", "team/pg")),
        maria.secret("maria", &turns("maria_admin", "vault", "team/maria")),
        SECRETS.to_owned(),
    ];
    let bed = Bed::new(Stores::start(), &secrets.concat());
    bed.run(&["validate"]).code(0);
    bed.import("pg", "pg_admin", &postgres);
    bed.import("maria", "maria_admin", &maria);
    let mut old = vec![postgres.urls().0, maria.urls().0];
    let mut seen = old.clone();
    let (on_postgres, on_mariadb) = (postgres.ca_file(), maria.ca_file());
    let log_in = |url: &String| match url.starts_with("postgres") {
        true => psql(url, on_postgres),
        false => mariadb(url, on_mariadb),
    };
    for turn in 1..=2 {
        bed.run(&["rotate", "--all", "--wait"]).code(0);
        let now = read(&bed);
        for value in &now {
            assert!(!seen.contains(value), "a new value in turn {turn}");
        }
        for url in &now[..2] {
            assert_eq!(log_in(url), Ok(login(url).user.to_owned()));
        }
        // What programs are shown is what the vendors' programs read.
        let shown = bed.run(&["run", "--", "/usr/bin/env"]).code(0).stdout;
        for (variable, value) in ["pg", "maria", "PARAMETER"].iter().zip(&now) {
            assert!(
                shown.contains(&format!("{variable}={value}\n")),
                "{variable}"
            );
        }
        bed.run(&["audit", "verify"]).code(0);
        for url in &old {
            let refused = log_in(url).unwrap_err();
            let words = ["password authentication failed", "Access denied"];
            assert!(words.iter().any(|w| refused.contains(w)), "{refused}");
        }
        old.extend_from_slice(&now[..2]);
        seen.extend(now);
    }
    let status = bed.run(&["status", "--json"]).code(0).json();
    for secret in status["secrets"].as_array().unwrap() {
        assert!(secret["rotation"].is_null(), "nothing is left to do");
    }
    println!(
        "2 turns of 4 secrets in 4 stores: {} logins refused, 0 violations",
        2 + 4
    );
}
