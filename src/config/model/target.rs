//! Kinds whose new value a server, or a program, has to be told.

use std::path::PathBuf;
use std::time::Duration;

/// `kind = "postgres"` and `kind = "mysql"`: the credentials of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Which users, and so the strategy.
    pub users: Users,
    /// The URL in the file's words, with `{user}` and `{password}` once each.
    pub url: String,
    /// Where the application logs in: what `url` names.
    pub endpoint: Endpoint,
    /// The server itself, where `url` names a pooler or a proxy in front of it.
    pub server: Option<Endpoint>,
    /// The authorities that may vouch for the server; the public ones when absent.
    pub ca_file: Option<PathBuf>,
    /// The `external` secret that may change these users.
    pub admin: Option<String>,
    /// How the value is written.
    pub format: DatabaseFormat,
    /// Postgres: how a server may be sure of a user; no other way is answered.
    pub require_auth: Vec<Auth>,
    /// Single user: between set and switch nobody can log in with what readers have.
    pub accept_gap: bool,
}

/// Which users of a database a secret is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Users {
    /// `single-user`: its password changes.
    One(String),
    /// `alternating-users`: one is current, the other one is next.
    Two([String; 2]),
}

impl Users {
    /// All of them.
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(user) => std::slice::from_ref(user),
            Self::Two(users) => users,
        }
    }
}

/// A way to log in to Postgres, in libpq's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// `scram-sha-256`: the server sees a proof only.
    Scram,
    /// `md5`: the server sees what is as good as the password.
    Md5,
    /// `password`: the server sees the password.
    Password,
}

/// A server's address and a database in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Name or address; an IPv6 address without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The database.
    pub database: String,
}

/// How database credentials are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseFormat {
    /// The `url` of the file, filled in and percent-encoded.
    Url,
    /// The object Amazon RDS writes; unknown members are kept.
    RdsJson,
}

/// `kind = "command"`: a program changes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRotator {
    /// The program and its arguments; no shell.
    pub argv: Vec<String>,
    /// Whether its target accepts two values at once.
    pub slots: Slots,
    /// The longest one call may take.
    pub timeout: Duration,
    /// Characters of a value.
    pub length: u32,
    /// The characters it is drawn from: ASCII, each once, sorted.
    pub alphabet: Vec<u8>,
    /// The `external` secrets that the program needs for its work.
    pub uses: Vec<String>,
}

/// How many values a target accepts at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slots {
    /// The old one and the new one.
    Dual,
    /// One: a new value ends the old one.
    Single,
}
