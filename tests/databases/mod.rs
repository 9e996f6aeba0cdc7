//! Database kinds through the command line, as an operator sees them, on real servers.

pub mod bed;
mod between;
mod import;
mod md5;
mod readme;
mod rotate;
mod setup;
mod standby;
mod trouble;

use std::sync::Arc;

use crate::support::mariadb::Mariadb;
use crate::support::postgres::Postgres;
use bed::Server;

/// The servers that the tests share.
fn shared() -> [Server; 2] {
    [
        Server::Postgres(Postgres::shared()),
        Server::Mariadb(Mariadb::shared()),
    ]
}

fn postgres() -> Server {
    Server::Postgres(Postgres::shared())
}

fn mariadb(options: &[&str]) -> Server {
    Server::Mariadb(Arc::new(Mariadb::start(options)))
}
