//! Servers that follow another: one that is asked by mistake, one that is gone, one that takes over.

use std::sync::Arc;
use std::time::Duration;

use super::bed::{Bed, Server, login};
use crate::support::evidence::block_on;
use crate::support::postgres::{FOLLOWED, Postgres};
use crate::support::proxy::Wire;

/// Names in a URL may lead to a replica: it is told, and nothing is changed there.
#[test]
fn a_replica_is_told() {
    let (bed, wire, server) = followed();
    let follower = server.follower();
    wire.lead_to(follower.port());
    bed.told(21, "the server is a replica, or a failover is under way");
    bed.sound();
    wire.lead_to(server.port());
    bed.run(&["rotate", "database", "--wait"]).code(0);
    bed.sound();
}

/// A standby that does not answer: what was changed is committed, shown to nobody, and waited for.
#[test]
fn a_standby_that_is_gone() {
    let server = Arc::new(Postgres::start());
    let bed = Bed::two(Server::Postgres(server)).imported();
    let standby = |names: &str| {
        bed.sql(&format!(
            "ALTER SYSTEM SET synchronous_standby_names = '{names}'"
        ));
        bed.sql("SELECT pg_reload_conf()");
        std::thread::sleep(Duration::from_millis(500));
    };
    standby("nobody");
    // The new password works as soon as the session that waits is ended. What ends the old one waits
    // in the same way, and nobody depends on it.
    bed.run(&["rotate", "database"]).code(0);
    std::thread::sleep(Duration::from_secs(1));
    bed.told(21, "did not answer the change in time");
    assert_eq!(login(&bed.value("current").unwrap()).0, bed.user("b"));
    bed.sound();
    standby("");
    bed.run(&["rotate", "database", "--wait"]).code(0);
    let log = bed.run(&["audit", "list"]).code(0).stdout;
    assert!(log.contains("quiesce"), "{log}");
    bed.sound();
}

/// The server dies after it took the new password, and one that has not got it takes over before it
/// became current: it is not made current, and what is current works.
#[test]
fn a_failover_that_loses_the_candidate() {
    let (mut bed, wire, first) = followed();
    let follower = cut_off(&first);
    killed(&bed, "after-outcome:3"); // preflight, create, install
    take_over(&mut bed, &wire, follower);
    bed.told(21, "the value is not accepted");
    assert_eq!(login(&bed.value("current").unwrap()).0, bed.user("a"));
    bed.sound();
    bed.run(&["abandon", "database"]).code(20);
    bed.run(&["rotate", "database", "--wait"]).code(0);
    bed.sound();
}

/// The same after it became current: the previous value is all that works, so it is left alone, and
/// a person is called.
#[test]
fn a_failover_that_loses_the_current_value() {
    let (mut bed, wire, first) = followed();
    let follower = cut_off(&first);
    bed.run(&["rotate", "database"]).code(0); // up to the grace
    let (old, new) = (
        bed.value("previous").unwrap(),
        bed.value("current").unwrap(),
    );
    take_over(&mut bed, &wire, follower);
    std::thread::sleep(Duration::from_secs(1));
    bed.told(22, "the target does not accept the current value");
    assert_eq!(bed.client(&old), Ok(()), "what still works is not ended");
    let (user, password) = login(&new);
    bed.sql(&format!("ALTER ROLE {user} PASSWORD '{password}'"));
    bed.run(&["resume", "database"]).code(0);
    bed.client(&old).unwrap_err();
    bed.sound();
}

fn followed() -> (Bed, Wire, Arc<Postgres>) {
    let server = Arc::new(Postgres::with("", FOLLOWED));
    let (bed, wire) = Bed::two(Server::Postgres(server.clone())).behind_a_wire();
    (bed, wire, server)
}

/// A follower that learns nothing more.
fn cut_off(server: &Postgres) -> Postgres {
    let follower = server.follower();
    block_on(async {
        for script in [
            "ALTER SYSTEM SET primary_conninfo = ''",
            "SELECT pg_reload_conf()",
        ] {
            follower.run("postgres", script.to_owned()).await.unwrap();
        }
    });
    std::thread::sleep(Duration::from_millis(500));
    follower
}

fn killed(bed: &Bed, point: &str) {
    let mut command = bed.keyrota.command(&["rotate", "database"]);
    let killed = command.env("KEYROTA_KILL", point).output().unwrap();
    assert_eq!(killed.status.code(), None, "{killed:?}");
}

/// Under the same name, as a name server would have it.
fn take_over(bed: &mut Bed, wire: &Wire, follower: Postgres) {
    block_on(follower.promote());
    wire.lead_to(follower.port());
    bed.server = Server::Postgres(Arc::new(follower));
}
