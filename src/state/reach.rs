//! Reaching a Postgres server that keeps the state.

use std::path::Path;

use keyrota_contract::SecretValue;
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use super::db::Db;
use super::failure::kept_from;
use super::pool::Pool;
use super::{Server, StateError};
use crate::wire::{At, Method, Wire};

/// What reaching a server takes beside its address; nothing for a file.
#[derive(Debug, Clone, Copy, Default)]
pub struct Access<'a> {
    /// The password, if the server asks for one.
    pub password: Option<&'a SecretValue>,
    /// A PEM file with the CA of the server's certificate, beside the public ones.
    pub ca_file: Option<&'a Path>,
}

/// In answer to one statement: a page of the log, or all records of an environment.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Sessions with it.
pub(super) async fn postgres(
    server: &Server,
    access: Access<'_>,
    writable: bool,
) -> Result<Db, StateError> {
    // Every field is set here: what is not would come from PGHOST, PGUSER, PGPASSWORD, ~/.pgpass.
    let mut options = PgConnectOptions::new_without_pgpass()
        .username(&server.user)
        .database(&server.database)
        .password("")
        .application_name("keyrota")
        .statement_cache_capacity(0)
        .extra_float_digits(None) // a startup parameter that poolers refuse
        .disable_statement_logging();
    let pem = match access.ca_file {
        Some(file) => crate::trust::authority(file).map_err(|_| {
            StateError::Refused("state_ca_file cannot be read, or others can change it")
        })?,
        None => Vec::new(),
    };
    let local = server.host.starts_with('/');
    let to = match local {
        true => At::Socket(format!("{}/.s.PGSQL.{}", server.host, server.port)),
        false => At::Host(server.host.clone(), server.port),
    };
    // A socket of this host may know us by our user id; who has no password can give none away.
    let methods: &[Method] = match local || access.password.is_none() {
        true => &[Method::Scram, Method::Nothing],
        false => &[Method::Scram],
    };
    let way = Wire::postgres(to, &pem, methods, ANSWER_BYTES_MAX).map_err(kept_from)?;
    if let Some(password) = access.password {
        options = password
            .expose_to(|bytes| std::str::from_utf8(bytes).map(|p| options.password(p)))
            .map_err(|_| StateError::Refused("the state's password is not UTF-8"))?;
    }
    let pool = Pool::open(way, options, server).await?;
    Ok(Db::Postgres { pool, writable })
}
