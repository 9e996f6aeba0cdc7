//! What the database kinds share: what the file says, the login inside a value, new passwords.
//! Pure: no connection, no clock.
//!
//! A value never decides where a login goes: the file names the server, and a value that names
//! another one is refused.
//!
//! # Layout
//! - `url`, `json`: the two forms of a value
//! - `password`: new ones; [`keys`]: their keys in a schedule

mod json;
pub mod keys;
mod password;
mod url;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;

use keyrota_contract::SecretValue;
use zeroize::Zeroizing;

pub use self::password::password;
pub use self::url::url_member;
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

impl Users {
    /// All of them.
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(user) => std::slice::from_ref(user),
            Self::Two(users) => users,
        }
    }
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

impl Settings {
    /// The login in one of our values. The user may be any: see [`Settings::is_ours`].
    pub fn login(&self, value: &SecretValue) -> Result<Login, Complaint> {
        value.expose_to(|bytes| {
            let text = text(bytes)?;
            match self.form {
                Form::Url(_) => url::login(text, Some(&self.endpoint)),
                Form::RdsJson => json::login(text, Some(&self.endpoint)),
            }
        })
    }

    /// The value that holds `login`. A URL is written as the file has it; of a JSON object, `current`
    /// is copied byte for byte but for the two members.
    pub fn compose(
        &self,
        login: &Login,
        current: Option<&SecretValue>,
    ) -> Result<SecretValue, Complaint> {
        match (&self.form, current) {
            (Form::Url(template), _) => url::compose(template, login),
            (Form::RdsJson, Some(current)) => current
                .expose_to(|bytes| text(bytes).and_then(|c| json::patch(c, login, &self.endpoint))),
            (Form::RdsJson, None) => {
                Err("an rds-json value is made from the current one, and there is none")
            }
        }
    }

    /// Where the server itself is reached.
    pub fn direct(&self) -> &Endpoint {
        self.server.as_ref().unwrap_or(&self.endpoint)
    }

    /// What no two rotations may change at a time: the server and its users, however the file writes
    /// them.
    pub fn account(&self, kind: &str) -> String {
        let at = self.direct();
        let mut users = self.users().to_vec();
        users.sort();
        let host = at.host.to_ascii_lowercase();
        format!("{kind}://{host}:{} {}", at.port, users.join(" "))
    }

    /// What a server called `name` is to the application: behind another pooler, what it refuses has
    /// to be seen again.
    pub fn seen_as(&self, name: String) -> String {
        let at = &self.endpoint;
        match self.server {
            Some(_) => format!("{name} behind {}:{}", at.host, at.port),
            None => name,
        }
    }

    /// The file's users.
    pub fn users(&self) -> &[String] {
        match &self.users {
            Users::One(user) => std::slice::from_ref(user),
            Users::Two(users) => users,
        }
    }

    /// Whether the file names this user.
    pub fn is_ours(&self, user: &str) -> bool {
        self.users().iter().any(|u| u == user)
    }

    /// Whose password is next when `current` is in use; `None` for a user that the file does not
    /// name: nothing is guessed from it.
    pub fn next(&self, current: &str) -> Option<&str> {
        match &self.users {
            Users::One(user) => (user == current).then_some(user),
            Users::Two([a, b]) if a == current => Some(b),
            Users::Two([a, b]) if b == current => Some(a),
            Users::Two(_) => None,
        }
    }
}

/// The login in an administrator's value: a JSON object if it begins like one, else a URL. Its host
/// is not looked at: it is sent to the server of the file only.
pub fn admin_login(value: &SecretValue) -> Result<Login, Complaint> {
    value.expose_to(|bytes| {
        let text = text(bytes)?;
        if text.trim_start().starts_with('{') {
            json::login(text, None)
        } else {
            url::login(text, None)
        }
    })
}

impl Endpoint {
    /// Whether a value's host and port are these. `None`: the value does not say.
    fn is(&self, host: Option<&str>, port: Option<u16>) -> bool {
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

fn text(bytes: &[u8]) -> Result<&str, Complaint> {
    std::str::from_utf8(bytes).map_err(|_| "the value is not UTF-8 text")
}

const EMPTY: Complaint = "the value has an empty user or password";
const ANOTHER_SERVER: Complaint = "the value names another server than url";
