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
//! - `session`: one connection and its failures; `server`: what it is; `name`, `account`: a user and a host
//! - `change`: the statements; `procedures`: the same by an administrator without CREATE USER; `hash`
//! - `users`: whose password changes, and how
//! - `operator`: who says them; `login`: who tries
//! - `preflight`, `setup`: what must be there before

mod account;
mod change;
mod hash;
mod kind;
mod login;
mod name;
mod operator;
mod preflight;
mod procedures;
mod server;
mod session;
mod setup;
mod users;

use async_trait::async_trait;
use keyrota_contract::{
    Entropy, Material, Minted, Overlap, Probe, Public, Quiet, Report, Rotator, RotatorError,
    SecretValue, Target, Which,
};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::database::{Login, password};
use super::material::pick;

pub use kind::KIND;

pub use self::setup::setup_sql;
pub use self::users::Mysql;
use self::users::{NOT_OURS, Way};

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
