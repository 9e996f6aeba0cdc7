//! What the database kinds share: what the file says, the login inside a value, new passwords.
//! Pure: no connection, no clock.
//!
//! A value never decides where a login goes: the file names the server, and a value that names
//! another one is refused.
//!
//! # Layout
//! - `settings`: what the file says
//! - `url`, `json`: the two forms of a value
//! - `password`: new ones; [`keys`]: their keys in a schedule

mod json;
pub mod keys;
mod password;
mod settings;
mod url;

#[cfg(test)]
mod tests;

use keyrota_contract::SecretValue;

pub use self::password::password;
pub use self::settings::{Complaint, Endpoint, Form, Login, Method, Settings, Users};
pub use self::url::url_member;

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

fn text(bytes: &[u8]) -> Result<&str, Complaint> {
    std::str::from_utf8(bytes).map_err(|_| "the value is not UTF-8 text")
}
