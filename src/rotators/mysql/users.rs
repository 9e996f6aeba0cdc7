//! Whose password changes, and how.

use keyrota_contract::{Material, RotatorError, Which};

use super::super::database::{Login, Settings, Users};
use super::super::material::pick;

/// Changes the password of one account, or of two in turns.
#[derive(Debug)]
pub struct Mysql {
    pub(super) settings: Settings,
    pub(super) uses: Vec<String>,
}

/// How a password takes the place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// The user that is not in use gets it.
    Turns,
    /// The user has both for a while.
    Both,
    /// The user has one, then the other.
    Replace,
}

impl Mysql {
    /// For the accounts and the server of the file.
    pub fn new(settings: Settings) -> Self {
        let uses = settings.admin.iter().cloned().collect();
        Self { settings, uses }
    }

    pub(super) fn way(&self) -> Way {
        match self.settings.users {
            Users::Two(_) => Way::Turns,
            Users::One(_) if self.settings.one_at_a_time => Way::Replace,
            Users::One(_) => Way::Both,
        }
    }

    /// The login of a version; a value that holds none is refused.
    pub(super) fn login(&self, which: Which, m: &Material) -> Result<Login, RotatorError> {
        let version = pick(which, m).ok_or(RotatorError::Refused("the value is not there"))?;
        self.settings
            .login(&version.value)
            .map_err(RotatorError::Refused)
    }
}

pub(super) const NOT_OURS: RotatorError =
    RotatorError::Refused("the value is for a user that the file does not name");
