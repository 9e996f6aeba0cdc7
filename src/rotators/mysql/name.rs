//! An account's name: a user *and* a host. The user alone does not say which row answers a login.

use super::session::quoted;

/// A row of the server's accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) user: String,
    pub(super) host: String,
}

impl Account {
    /// As a statement names it.
    pub(super) fn sql(&self) -> String {
        format!("{}@{}", *quoted(&self.user), *quoted(&self.host))
    }

    /// As the server prints it while `sql_mode` is empty.
    pub(super) fn printed(&self) -> String {
        let name = |text: &str| format!("`{}`", text.replace('`', "``"));
        format!("{}@{}", name(&self.user), name(&self.host))
    }
}

pub(super) const NATIVE: &str = "mysql_native_password";

pub(super) const CONDITIONS: &str = "ssl_type, CAST(ssl_cipher AS CHAR), CAST(x509_issuer AS CHAR), \
    CAST(x509_subject AS CHAR), max_questions, max_updates, max_connections, max_user_connections";
