//! Whose password changes, and where it is tried.

use keyrota_contract::{Material, Probe, RotatorError, SecretValue};

use super::super::database::{Endpoint, Login, Settings};
use super::{scram, session};

/// A rotator of a Postgres login.
#[derive(Debug)]
pub struct Postgres {
    pub(super) settings: Settings,
    pub(super) uses: Vec<String>,
}

impl Postgres {
    /// For what the file says. No I/O.
    pub fn new(settings: Settings) -> Self {
        let uses = settings.admin.iter().cloned().collect();
        Self { settings, uses }
    }

    /// Where a value is tried: where the application does, and on the server itself.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        std::iter::once(&self.settings.endpoint).chain(&self.settings.server)
    }

    pub(super) async fn probe_at(&self, at: &Endpoint, login: &Login) -> Probe {
        let tried = session::probe(&self.settings, at, login).await;
        tried.map_or_else(session::Shut::probe, |()| Probe::Accepted)
    }

    /// The login in the current value, for one of the file's users.
    pub(super) fn current(&self, m: &Material) -> Result<Login, RotatorError> {
        let current = m.current.as_ref().ok_or(RotatorError::Refused(
            "there is no current value: `keyrota plan --setup` shows what the database needs, `keyrota import` takes the value",
        ))?;
        self.login(&current.value)
    }

    pub(super) fn login(&self, value: &SecretValue) -> Result<Login, RotatorError> {
        let login = self.settings.login(value).map_err(RotatorError::Refused)?;
        if !self.settings.is_ours(&login.user) {
            return Err(RotatorError::Refused(
                "the value is for a user that the file does not name",
            ));
        }
        if !scram::takes(&login.password) {
            return Err(RotatorError::Refused(
                "the password has characters that SASLprep refuses: set another one by hand",
            ));
        }
        Ok(login)
    }
}
