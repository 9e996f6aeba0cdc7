//! What a server is, found out by what it has, never by the text of its version.

use super::session::{Fault, Session, first};

/// Which statements it understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `IDENTIFIED VIA … OR …`: accounts with several methods, each with its hash.
    MariaDb {
        /// A plugin judges passwords, and the server insists that it sees them: no hashes.
        plain: bool,
    },
    /// `RETAIN CURRENT PASSWORD`; passwords go as they are, inside TLS.
    MySql,
}

/// What is asked of a server before it is told anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) dialect: Dialect,
    /// Some accounts may write to a read-only server, and a change there would be lost.
    pub(super) read_only: bool,
    /// A name that stays when its address changes.
    pub(super) name: Option<String>,
    /// An account can have two passwords at once.
    pub(super) two_passwords: bool,
    pub(super) memory: Memory,
}

/// Which passwords that an account has had it refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Memory {
    /// None.
    Nothing,
    /// All; every statement of ours shows it the password.
    ReuseCheck,
    /// The last ones, or those of the last days: as the account says, and else by default.
    History { last: bool, days: bool },
}

impl Server {
    /// `None`: neither MariaDB nor MySQL.
    pub(super) async fn look(session: &mut Session) -> Result<Option<Self>, Fault> {
        let variables = session.rows(VARIABLES).await?;
        let value = |name: &str| {
            let mut rows = variables.iter();
            let row = rows.find(|row| matches!(row.first(), Some(Some(n)) if n == name))?;
            row.get(1)?.as_deref()
        };
        let is_on = |name: &str| value(name).is_some_and(|v| !["OFF", "0"].contains(&v));
        let dialect = if value("strict_password_validation").is_some() {
            let plugins = session.rows(VALIDATORS).await?;
            let judged = first(&plugins) != Some("0");
            Dialect::MariaDb {
                plain: judged && is_on("strict_password_validation"),
            }
        } else if value("server_uuid").is_some() {
            Dialect::MySql
        } else {
            return Ok(None);
        };
        let memory = match (dialect, value("password_history")) {
            // The plugin does not judge hashes.
            (Dialect::MariaDb { plain: true }, _) if value(REUSE_CHECK).is_some() => {
                Memory::ReuseCheck
            }
            (Dialect::MySql, Some(_)) => Memory::History {
                last: is_on("password_history"),
                days: is_on("password_reuse_interval"),
            },
            _ => Memory::Nothing,
        };
        let feature = match dialect {
            Dialect::MariaDb { .. } => GLOBAL_PRIV,
            Dialect::MySql => USER_ATTRIBUTES,
        };
        let feature = session.rows(feature).await?;
        Ok(Some(Self {
            dialect,
            read_only: is_on("read_only") || is_on("super_read_only") || is_on("innodb_read_only"),
            name: value("server_uuid")
                .or(value("server_uid"))
                .map(str::to_owned),
            two_passwords: first(&feature) == Some("1"),
            memory,
        }))
    }
}

const VARIABLES: &str = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('innodb_read_only', \
    'password_history', 'password_reuse_check_interval', 'password_reuse_interval', 'read_only', \
    'server_uid', 'server_uuid', 'strict_password_validation', 'super_read_only')";
/// It comes and goes with MariaDB's plugin.
const REUSE_CHECK: &str = "password_reuse_check_interval";
const VALIDATORS: &str = "SELECT count(*) FROM information_schema.plugins \
    WHERE plugin_type = 'PASSWORD VALIDATION' AND plugin_status = 'ACTIVE'";
/// The table that came with accounts of several methods.
const GLOBAL_PRIV: &str = "SELECT count(*) FROM information_schema.tables \
    WHERE table_schema = 'mysql' AND table_name = 'global_priv'";
/// The column that keeps a second password.
const USER_ATTRIBUTES: &str = "SELECT count(*) FROM information_schema.columns \
    WHERE table_schema = 'mysql' AND table_name = 'user' AND column_name = 'User_attributes'";
