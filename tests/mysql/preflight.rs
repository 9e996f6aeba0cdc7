//! What is told before anything is begun.

use std::sync::Arc;

use keyrota::rotators::database::Users;
use keyrota::rotators::mysql::{Mysql, setup_sql};
use keyrota_contract::{Material, Rotator};

use super::bed::{Bed, OLD};
use crate::support::mariadb::{Mariadb, PASSWORD_CHECK, REUSE_CHECK};

/// Each is a state of the server that is told, and mended.
#[tokio::test]
async fn two_users_must_be_alike_and_the_next_one_idle() {
    let bed = Bed::two(Mariadb::shared()).await;
    let m = bed.material();
    let name = &bed.name;
    let [a, b, k] = ["a", "b", "k"].map(|u| format!("{}@'127.0.0.1'", bed.user(u)));
    for (breaks, mends, told) in [
        (
            format!("GRANT SELECT ON mysql.* TO {a}"),
            format!("REVOKE SELECT ON mysql.* FROM {a}"),
            "differ",
        ),
        (
            format!("REVOKE DELETE ON {name}.* FROM {b}"),
            format!("GRANT DELETE ON {name}.* TO {b}"),
            "differ",
        ),
        (
            format!("ALTER USER {b} REQUIRE NONE"),
            format!("ALTER USER {b} REQUIRE SSL"),
            "differ",
        ),
        (
            format!("ALTER USER {b} WITH MAX_USER_CONNECTIONS 5"),
            format!("ALTER USER {b} WITH MAX_USER_CONNECTIONS 0"),
            "differ",
        ),
        (
            format!("CREATE USER {}@'127.%' IDENTIFIED BY 'x'", bed.user("b")),
            format!("DROP USER {}@'127.%'", bed.user("b")),
            "several accounts",
        ),
        (
            format!("RENAME USER {b} TO {}@'%'", bed.user("b")),
            format!("RENAME USER {}@'%' TO {b}", bed.user("b")),
            "different hosts",
        ),
        (
            format!("RENAME USER {b} TO {}@'127.0.0.1'", bed.user("z")),
            format!("RENAME USER {}@'127.0.0.1' TO {b}", bed.user("z")),
            "does not exist",
        ),
        (
            format!("REVOKE PROCESS ON *.* FROM {k}"),
            format!("GRANT PROCESS ON *.* TO {k}"),
            "PROCESS",
        ),
        (
            format!("REVOKE CREATE USER ON *.* FROM {k}"),
            format!("GRANT CREATE USER ON *.* TO {k}"),
            "CREATE USER",
        ),
        (
            format!("REVOKE SELECT ON mysql.* FROM {k}"),
            format!("GRANT SELECT ON mysql.* TO {k}"),
            "SELECT ON mysql",
        ),
    ] {
        bed.run(&breaks).await;
        let complaint = bed.complaint(&m).await;
        assert!(complaint.contains(told), "{breaks}: {complaint:?}");
        bed.run(&mends).await;
        assert_eq!(bed.complaint(&m).await, "", "{mends}");
    }

    let session = bed.server.connect(&bed.user("b"), &format!("{OLD}2")).await;
    assert!(bed.complaint(&m).await.contains("still has sessions"));
    drop(session);
}

#[tokio::test]
async fn a_current_value_that_is_missing_wrong_or_anothers() {
    let bed = Bed::two(Mariadb::shared()).await;
    assert_eq!(bed.complaint(&Material::default()).await, ""); // its import
    let mut m = bed.material();
    m.current = Some(bed.value("a", "a wrong password"));
    assert!(bed.complaint(&m).await.contains("does not accept"));
    m.current = Some(bed.value("k", OLD));
    assert!(bed.complaint(&m).await.contains("the file does not name"));
    let mut m = bed.material();
    m.uses
        .insert("admin".to_owned(), bed.value("k", "a wrong password"));
    assert!(bed.complaint(&m).await.contains("administrator's login"));
}

#[tokio::test]
async fn a_single_user_must_be_known_wholly() {
    let mut bed = Bed::one(Mariadb::shared()).await;
    let m = bed.material();
    assert!(bed.complaint(&m).await.contains("accept_gap"));
    bed.settings.admin = Some("admin".to_owned());
    let m = bed.material();
    assert_eq!(bed.complaint(&m).await, "");
    let a = format!("{}@'127.0.0.1'", bed.user("a"));
    let old = OLD.replace('\\', "\\\\").replace('\'', "\\'");
    let native = format!("mysql_native_password USING PASSWORD('{old}')");
    for (other, told) in [
        (
            "mysql_native_password USING PASSWORD('somebody''s')",
            "second password",
        ),
        ("unix_socket", "another way to log in"),
    ] {
        bed.run(&format!(
            "ALTER USER {a} IDENTIFIED VIA {native} OR {other}"
        ))
        .await;
        for gap in [false, true] {
            bed.settings.one_at_a_time = gap;
            let complaint = bed.complaint(&m).await;
            assert!(complaint.contains(told), "{other}: {complaint:?}");
        }
    }
}

/// Whoever may write to a read-only server would write to a replica.
#[tokio::test]
async fn a_read_only_server_is_waited_for() {
    let bed = Bed::two(Arc::new(Mariadb::start(&[]))).await;
    let k = format!("{}@'127.0.0.1'", bed.user("k"));
    let mut m = bed.material();
    bed.create(&mut m);
    bed.run(&format!(
        "SET GLOBAL read_only = 1; GRANT READ_ONLY ADMIN ON *.* TO {k}"
    ))
    .await;
    assert!(bed.complaint(&m).await.contains("read-only"));
    let refused = bed.install(keyrota_contract::Which::Pending, &m).await;
    assert!(refused.unwrap_err().to_string().contains("read-only"));
    bed.run("SET GLOBAL read_only = 0").await;
    assert_eq!(bed.complaint(&m).await, "");
}

/// What `plan --setup` prints is run as a person would run it; two passwords later all is ready.
#[tokio::test]
async fn the_printed_setup_is_enough() {
    let printed = |lines: Vec<String>| lines.join("\n");
    enough(&[], printed).await;
    // A server that judges passwords, and so takes no hash of a word: the comment says what to run.
    let judged = [PASSWORD_CHECK, "--simple-password-check-minimal-length=12"];
    let dashes_off = |lines: Vec<String>| {
        let script = printed(lines).replace("-- EXECUTE", "EXECUTE");
        script.replace("-- GRANT", "GRANT")
    };
    enough(&judged, dashes_off).await;
    enough(&[PASSWORD_CHECK, REUSE_CHECK], dashes_off).await;

    let server = Arc::new(Mariadb::start(&judged));
    let mut bed = Bed::two(server.clone()).await;
    bed.settings.users = Users::Two(["x", "y"].map(str::to_owned));
    let script = printed(setup_sql(&bed.settings, false));
    let said = server.client("admin", SUPERUSERS, &script);
    assert_eq!(said, Err(1290), "the comment names this number");
}

const SUPERUSERS: &str = "Correct horse, battery staple 1";

async fn enough(options: &[&str], read: impl Fn(Vec<String>) -> String) {
    let server = Arc::new(Mariadb::start(options));
    let mut bed = Bed::two(server.clone()).await;
    let users = ["app_a", "app_b"].map(str::to_owned);
    bed.settings.users = Users::Two(users);
    let script = read(setup_sql(&bed.settings, false));
    for _ in 0..2 {
        server.client("admin", SUPERUSERS, &script).unwrap();
    }
    let (first, k) = ("First-of-twenty-chars-1", "Second-of-twenty-chars-2");
    bed.run(&format!(
        "ALTER USER app_a@'%' IDENTIFIED BY '{first}'; ALTER USER keyrota_admin@'%' IDENTIFIED BY '{k}'"
    ))
    .await;
    let value = |user: &str, password: &str| {
        let url = format!(
            "mysql://{user}:{password}@127.0.0.1:{}/{}",
            server.port(),
            bed.name
        );
        super::bed::version(keyrota_contract::SecretValue::copy_of(url.as_bytes()))
    };
    let m = Material {
        current: Some(value("app_a", first)),
        uses: [("admin".to_owned(), value("keyrota_admin", k))].into(),
        ..Material::default()
    };
    let report = Mysql::new(bed.settings.clone()).preflight(&m).await;
    // That it is sent passwords, where it judges them.
    assert_eq!(report.unwrap().warnings.is_empty(), options.is_empty());
    assert_eq!(
        server.client("app_b", "", "SELECT 1"),
        Err(1045),
        "a new account lets nobody in"
    );
}

/// Names that SQL could take for something else.
#[tokio::test]
async fn the_printed_setup_takes_any_name() {
    let server = Arc::new(Mariadb::start(&[]));
    let mut bed = Bed::two(server.clone()).await;
    let users = ["o'hara\\", "b`t\"%_"].map(str::to_owned);
    bed.settings.users = Users::Two(users.clone());
    let script = setup_sql(&bed.settings, false).join("\n");
    for _ in 0..2 {
        server.client("admin", SUPERUSERS, &script).unwrap();
    }
    let (first, k) = ("First-of-twenty-chars-1", "Second-of-twenty-chars-2");
    bed.run(&format!(
        "ALTER USER 'o\\'hara\\\\'@'%' IDENTIFIED BY '{first}'; ALTER USER keyrota_admin@'%' IDENTIFIED BY '{k}'"
    ))
    .await;
    let login = |user: &str, password: &str| keyrota::rotators::database::Login {
        user: zeroize::Zeroizing::new(user.to_owned()),
        password: zeroize::Zeroizing::new(password.to_owned()),
    };
    let value = |user: &str, password: &str| {
        let value = bed.settings.compose(&login(user, password), None);
        super::bed::version(value.unwrap())
    };
    let mut m = Material {
        current: Some(value(&users[0], first)),
        uses: [("admin".to_owned(), value("keyrota_admin", k))].into(),
        ..Material::default()
    };
    assert_eq!(bed.complaint(&m).await, "");
    bed.create(&mut m);
    bed.install(keyrota_contract::Which::Pending, &m)
        .await
        .unwrap();
    let probe = bed.probe(keyrota_contract::Which::Pending, &m).await;
    assert_eq!(probe, keyrota_contract::Probe::Accepted);
    super::bed::promote(&mut m);
    let rotator = bed.rotator();
    let refused = keyrota_contract::Target::refuse(&rotator, keyrota_contract::Which::Previous, &m);
    refused.await.unwrap();
}
