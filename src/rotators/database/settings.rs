//! What the file says of a database, and what a value holds.

use std::fmt;
use std::path::PathBuf;

use zeroize::Zeroizing;

pub use crate::wire::Method;

/// What the file says about a database's login.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whose password changes.
    pub users: Users,
    /// How a value is written.
    pub form: Form,
    /// Where the application connects.
    pub endpoint: Endpoint,
    /// The server itself, where `endpoint` is a pooler or proxy in front of it.
    pub server: Option<Endpoint>,
    /// A PEM file with the CA of the server's certificate, beside the public ones.
    pub ca_file: Option<PathBuf>,
    /// The secret with the administrator's login.
    pub admin: Option<String>,
    /// What a Postgres server may do to be sure of a user, the administrator too.
    pub methods: Vec<Method>,
    /// One password at a time, where the server could keep two: the file accepts the gap (`mysql`).
    pub one_at_a_time: bool,
}

/// Whose password changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Users {
    /// `single-user`: this one's.
    One(String),
    /// `alternating-users`: the one's that is not in use.
    Two([String; 2]),
}

/// A server and a database on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// A name or an address; an IPv6 address without brackets.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
    /// The database's name, as it is (not percent-encoded).
    pub database: String,
}

/// How a value is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// A URL; the file's text, with `{user}` and `{password}` once each, in this order.
    Url(String),
    /// A JSON object with `username` and `password`, as Amazon RDS writes them.
    RdsJson,
}

/// The login inside a value. It is wiped when dropped, and not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Who.
    pub user: Zeroizing<String>,
    /// The password, as it is (not percent-encoded).
    pub password: Zeroizing<String>,
}

/// Why a value is not taken; a fixed sentence, so it cannot hold a part of the value.
pub type Complaint = &'static str;

impl Endpoint {
    /// Whether a value's host and port are these. `None`: the value does not say.
    pub(super) fn is(&self, host: Option<&str>, port: Option<u16>) -> bool {
        let bare = |host: &str| {
            host.trim_start_matches('[')
                .trim_end_matches([']', '.'])
                .to_ascii_lowercase()
        };
        host.is_none_or(|h| bare(h) == bare(&self.host)) && port.is_none_or(|p| p == self.port)
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(redacted)")
    }
}

pub(super) const EMPTY: Complaint = "the value has an empty user or password";
pub(super) const ANOTHER_SERVER: Complaint = "the value names another server than url";
