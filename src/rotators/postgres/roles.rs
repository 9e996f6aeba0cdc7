//! What the server's catalogs say of the file's users. Everyone may read these catalogs.

use keyrota_contract::RotatorError;

use super::functions::granted;
use super::session::{Row, Session, ask, ask_one};
use crate::wire::Unanswered;

/// One user of the server.
#[derive(Debug)]
pub(super) struct Role {
    pub name: String,
    pub can_login: bool,
    pub superuser: bool,
    /// Its `VALID UNTIL` is past; or still to come.
    pub expired: bool,
    pub expires: bool,
    /// Sessions it may have; negative: any number.
    pub limit: i32,
    /// Whether it may connect to the file's database.
    pub connects: bool,
    /// `ALTER ROLE … SET`, for all databases and for the file's.
    pub settings: Vec<String>,
    /// Whose member it is.
    pub groups: Vec<String>,
    /// What it was granted itself, as addresses of catalog entries. Not which privileges on it.
    pub grants: Vec<String>,
    /// Whether it owns anything, in any database.
    pub owns: bool,
    /// Its sessions without ours.
    pub sessions: i64,
    /// Whether the user that asks may give it a password.
    pub may_change: bool,
}

impl Role {
    /// The role that `ALTER ROLE … SET role` makes it, if it is a member of that.
    pub(super) fn owner(&self) -> Option<&str> {
        // A setting for one database stands after one for all, and counts before it.
        let mut roles = self
            .settings
            .iter()
            .rev()
            .filter_map(|s| s.strip_prefix("role="));
        roles.next().filter(|r| self.groups.iter().any(|g| g == r))
    }
}

/// Those of `users` that exist.
pub(super) async fn look(
    session: &mut Session,
    users: &[String],
    database: &str,
) -> Result<Vec<Role>, RotatorError> {
    let rows = ask(session, sqlx::query(LOOK).bind(users).bind(database)).await?;
    rows.iter()
        .map(|row| role(row).map_err(|_| RotatorError::Retry("the server's catalogs are strange")))
        .collect()
}

/// The most SCRAM iterations that anything asks for: the server, one of the file's users, or the
/// verifier that one of them has now. Only superusers see those verifiers; for others the settings
/// decide.
pub(super) async fn iterations(
    session: &mut Session,
    users: &[String],
) -> Result<i64, RotatorError> {
    let strange = |_| RotatorError::Retry("the server's settings are strange");
    let row = ask_one(session, sqlx::query(SETTINGS).bind(users)).await?;
    let mut asked: Vec<i64> = row.get(0).map_err(strange)?;
    if row.get(1).map_err(strange)? {
        let rows = ask(session, sqlx::query(VERIFIER).bind(users)).await?;
        for row in rows {
            asked.extend(row.get::<Option<i64>, _>(0).map_err(strange)?);
        }
    }
    Ok(asked.into_iter().max().unwrap_or(0))
}

fn role(row: &Row) -> Result<Role, Unanswered> {
    Ok(Role {
        name: row.get("name")?,
        can_login: row.get("can_login")?,
        superuser: row.get("superuser")?,
        expired: row.get("expired")?,
        expires: row.get("expires")?,
        limit: row.get("limit")?,
        connects: row.get("connects")?,
        settings: row.get("settings")?,
        groups: row.get("groups")?,
        grants: row.get("grants")?,
        owns: row.get("owns")?,
        sessions: row.get("sessions")?,
        may_change: row.get("may_change")?,
    })
}

/// `scram_iterations` came with version 16: of this connection, and what the user's own would have.
/// Beside it, whether [`VERIFIER`] may be asked.
const SETTINGS: &str = r"
SELECT ARRAY(
        SELECT pg_catalog.current_setting('scram_iterations', true)::bigint
        WHERE pg_catalog.current_setting('scram_iterations', true) ~ '^[0-9]{1,18}$'
        UNION ALL
        SELECT pg_catalog.split_part(c, '=', 2)::bigint
        FROM pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) c
        WHERE c ~ '^scram_iterations=[0-9]{1,18}$' AND s.setrole IN
            (SELECT 0 UNION ALL SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = ANY($1))),
    pg_catalog.has_column_privilege('pg_catalog.pg_authid', 'rolpassword', 'SELECT')
        AND pg_catalog.has_column_privilege('pg_catalog.pg_authid', 'rolname', 'SELECT')";

/// The count alone: the verifier itself stays on the server.
const VERIFIER: &str = r"
SELECT pg_catalog.substring(rolpassword, '^SCRAM-SHA-256\$([0-9]{1,18}):')::bigint
FROM pg_catalog.pg_authid WHERE rolname = ANY($1)";

/// From version 16 on CREATEROLE changes only those roles that it was given with ADMIN OPTION. A
/// function of `plan --setup` needs no such right.
const LOOK: &str = concat!(
    "
SELECT r.rolname::text AS name, r.rolcanlogin AS can_login, r.rolsuper AS superuser, r.rolconnlimit AS limit,
    coalesce(r.rolvaliduntil <= pg_catalog.now(), false) AS expired,
    coalesce(pg_catalog.isfinite(r.rolvaliduntil), false) AS expires,
    coalesce(pg_catalog.has_database_privilege(r.oid, d.oid, 'CONNECT'), false) AS connects,
    ARRAY(SELECT c FROM pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) c
        WHERE s.setrole = r.oid AND s.setdatabase IN (0, d.oid) ORDER BY s.setdatabase, c) AS settings,
    ARRAY(SELECT g.rolname::text FROM pg_catalog.pg_auth_members m
        JOIN pg_catalog.pg_roles g ON g.oid = m.roleid
        WHERE m.member = r.oid GROUP BY 1 ORDER BY 1) AS groups,
    ARRAY(SELECT DISTINCT pg_catalog.concat_ws(':', p.dbid, p.classid, p.objid, p.objsubid)
        FROM pg_catalog.pg_shdepend p WHERE p.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
        AND p.refobjid = r.oid AND p.deptype IN ('a', 'r') ORDER BY 1) AS grants,
    EXISTS (SELECT FROM pg_catalog.pg_shdepend p
        WHERE p.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
        AND p.refobjid = r.oid AND p.deptype = 'o') AS owns,
    (SELECT count(*) FROM pg_catalog.pg_stat_activity a
        WHERE a.usesysid = r.oid AND a.pid <> pg_catalog.pg_backend_pid()) AS sessions,
    (me.rolsuper OR r.rolname = session_user OR (me.rolcreaterole AND NOT r.rolsuper AND (
        pg_catalog.current_setting('server_version_num')::int < 160000
        OR pg_catalog.pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION'))) OR (NOT r.rolsuper AND ",
    granted!("r.rolname::text", "$1::text[]"),
    ")) AS may_change
FROM pg_catalog.pg_roles r
JOIN pg_catalog.pg_roles me ON me.rolname = current_user
LEFT JOIN pg_catalog.pg_database d ON d.datname = $2
WHERE r.rolname = ANY ($1)"
);
