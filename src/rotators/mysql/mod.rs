//! Passwords of MySQL and MariaDB accounts.
//!
//! Two users take turns, or one user has two passwords at once; both are [`Overlap::Dual`]. A file that
//! accepts the gap gets one password at a time, [`Overlap::Replace`].
//!
//! MariaDB is sent hashes only, unless one of its plugins judges passwords and has to see them. MySQL is
//! sent passwords inside TLS: its `caching_sha2_password` salts them itself.
//!
//! A change of an account is neither transactional nor replicated synchronously here: the server writes
//! it to tables that survive its crash (Aria, InnoDB) before it answers, and a failover to a replica that
//! is behind brings the old passwords back. Two users lose nothing by that: the one that was in use stays
//! in use until its grace ends.
//!
//! An attempt is marked by a named lock (`GET_LOCK`) that its session takes before it changes anything
//! and that the server gives back when the session is over, however it ends. So an attempt is over when
//! its lock is free. A connection attribute or a comment in the statement would be seen only by who may
//! see the sessions of others, and the comment only while the statement already runs.
//!
//! A server decides how a login is done, and these are the ways that are answered: `mysql_native_password`
//! (a proof), `caching_sha2_password` (a proof, or the password where the server has not seen it lately)
//! and `sha256_password` (the password), both inside TLS to the server whose name was verified. MySQL 8
//! cannot do without the second, so a server with the right certificate can have the password.
//! `mysql_clear_password`, old hashes and MariaDB's `ed25519` and `dialog` are not answered.
//!
//! # Layout
//! - `session`: one connection and its failures; `server`: what it is; `account`: a user and a host
//! - `change`: the statements; `procedures`: the same by an administrator without CREATE USER; `hash`
//! - `operator`: who says them; `login`: who tries
//! - `preflight`, `setup`: what must be there before

mod account;
mod change;
mod hash;
mod kind;
mod login;
mod operator;
mod preflight;
mod procedures;
mod server;
mod session;
mod setup;

use async_trait::async_trait;
use keyrota_contract::{
    Entropy, Material, Minted, Overlap, Probe, Public, Quiet, Report, Rotator, RotatorError,
    SecretValue, Target, Which,
};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::database::{Login, Settings, Users, password};
use super::pick;

pub use kind::KIND;

pub use self::setup::setup_sql;

/// Changes the password of one account, or of two in turns.
#[derive(Debug)]
pub struct Mysql {
    settings: Settings,
    uses: Vec<String>,
}

/// How a password takes the place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
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

    fn way(&self) -> Way {
        match self.settings.users {
            Users::Two(_) => Way::Turns,
            Users::One(_) if self.settings.one_at_a_time => Way::Replace,
            Users::One(_) => Way::Both,
        }
    }

    /// The login of a version; a value that holds none is refused.
    fn login(&self, which: Which, m: &Material) -> Result<Login, RotatorError> {
        let version = pick(which, m).ok_or(RotatorError::Refused("the value is not there"))?;
        self.settings
            .login(&version.value)
            .map_err(RotatorError::Refused)
    }
}

#[async_trait]
impl Rotator for Mysql {
    async fn preflight(&self, m: &Material) -> Result<Report, RotatorError> {
        preflight::look(self, m).await
    }

    fn create(&self, m: &Material, entropy: &mut dyn Entropy) -> Result<Minted, RotatorError> {
        let current = self.login(Which::Current, m)?;
        let next = self.settings.next(&current.user);
        let login = Login {
            user: Zeroizing::new(next.ok_or(NOT_OURS)?.to_owned()),
            password: password(entropy),
        };
        let current = m.current.as_ref().map(|v| &v.value);
        let value = self.settings.compose(&login, current);
        Ok(Minted {
            value: value.map_err(RotatorError::Refused)?,
            public: Public::new(),
        })
    }

    fn adopt(&self, value: SecretValue, _: &mut dyn Entropy) -> Result<Minted, RotatorError> {
        let login = self.settings.login(&value);
        let login = login.map_err(RotatorError::Refused)?;
        if !self.settings.is_ours(&login.user) {
            return Err(NOT_OURS);
        }
        Ok(Minted {
            value,
            public: Public::new(),
        })
    }

    async fn probe(&self, which: Which, m: &Material) -> Probe {
        match pick(which, m).map(|v| self.settings.login(&v.value)) {
            Some(Ok(login)) => login::both(&self.settings, &login).await,
            // What cannot be read, or names another server, is not sent: nothing is learnt of it.
            Some(Err(_)) | None => Probe::Unknown,
        }
    }

    fn public(&self, _: &SecretValue, stored: &Public) -> Public {
        stored.clone()
    }

    fn target(&self) -> Option<&dyn Target> {
        Some(self)
    }
}

#[async_trait]
impl Target for Mysql {
    fn overlap(&self) -> Overlap {
        match self.way() {
            Way::Turns | Way::Both => Overlap::Dual,
            Way::Replace => Overlap::Replace,
        }
    }

    fn uses(&self) -> &[String] {
        &self.uses
    }

    fn account(&self) -> String {
        self.settings.account("mysql")
    }

    async fn control(&self, m: &Material) -> Probe {
        let current = self.login(Which::Current, m);
        let user = current.map_or_else(
            |_| Zeroizing::new(self.settings.users()[0].clone()),
            |login| login.user,
        );
        login::worst(&self.settings, &user).await
    }

    async fn install(&self, which: Which, attempt: Uuid, m: &Material) -> Result<(), RotatorError> {
        operator::install(self, which, attempt, m).await
    }

    async fn quiesce(&self, attempt: Uuid, m: &Material) -> Quiet {
        operator::quiesce(self, attempt, m).await
    }

    async fn refuse(&self, which: Which, m: &Material) -> Result<(), RotatorError> {
        operator::refuse(self, which, m).await
    }
}

const NOT_OURS: RotatorError =
    RotatorError::Refused("the value is for a user that the file does not name");
