//! Whole rotations by the command, from the import on.

use super::bed::{Bed, OLD};
use crate::support::keyrota::Keyrota;
use crate::support::mariadb::{ADMIN, Mariadb};

/// A schedule for the two users of `bed`; the first is in use, with the password of long ago.
fn keyrota(bed: &Bed) -> Keyrota {
    let keyrota = Keyrota::in_temp();
    let (name, port) = (&bed.name, bed.server.port());
    let schedule = format!(
        r#"environment = "development"
[defaults]
refresh = "0s"
[providers.local]
kind = "file"
path = ".keyrota/development.age"
[secrets.admin]
kind = "external"
format = "url"
env = "DB_ADMIN"
[secrets.database]
kind = "mysql"
strategy = "alternating-users"
users = ["{name}_a", "{name}_b"]
url = "mysql://{{user}}:{{password}}@127.0.0.1:{port}/{name}"
ca_file = {ca:?}
admin = "admin"
grace = "2s"
env = "DATABASE_URL"
"#,
        ca = bed.server.ca_file(),
    );
    keyrota.write("schedules/development.toml", &schedule);
    let old = OLD.replace('\'', "%27").replace('\\', "%5C");
    let admin = bed
        .server
        .password()
        .expose_to(|p| String::from_utf8(p.to_vec()).unwrap());
    let admin = admin.replace(' ', "%20").replace(',', "%2C");
    let env = format!(
        "DATABASE_URL=mysql://{name}_a:{old}@127.0.0.1:{port}/{name}\n\
         DB_ADMIN=mysql://{ADMIN}:{admin}@127.0.0.1:{port}/mysql\n"
    );
    keyrota.write("old.env", &env);
    keyrota.run(&["import", "--env-file", "old.env"]).code(0);
    keyrota
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_use_is_imported_and_takes_turns() {
    let bed = Bed::two(Mariadb::shared()).await;
    let keyrota = keyrota(&bed);
    keyrota.run(&["rotate", "database", "--wait"]).code(0);
    assert_eq!(bed.client(&Some(bed.value("a", OLD))), Err(1045));
}

/// A restored database, a person's ALTER USER: then the old value may be the only one that works.
#[tokio::test(flavor = "multi_thread")]
async fn the_old_value_is_not_refused_while_the_new_one_does_not_work() {
    let bed = Bed::two(Mariadb::shared()).await;
    let keyrota = keyrota(&bed);
    let waits = keyrota.run(&["rotate", "database"]);
    assert!(waits.stdout.contains("database"), "{waits:?}");
    let b = bed.user("b");
    bed.run(&format!(
        "ALTER USER {b}@'127.0.0.1' IDENTIFIED BY 'another'"
    ))
    .await;
    std::thread::sleep(std::time::Duration::from_secs(2));
    let stuck = keyrota.run(&["rotate", "database", "--wait"]);
    assert_eq!(bed.client(&Some(bed.value("a", OLD))), Ok(()), "{stuck:?}");
    assert!(stuck.stdout.contains("does not accept"), "{stuck:?}");
}
