//! Logins of a Postgres server: one user whose password changes, or two that take turns.
//!
//! # Layout
//! - `session`: logging in, and what errors mean; `scram`: what is sent in place of a password
//! - `users`: whose password changes, and where it is tried
//! - `target`: installing, quiescing, refusing; `preflight`, `roles`: looking before
//! - [`setup`]: the SQL that an administrator runs once; `functions`: how one without CREATEROLE sets passwords
//!
//! A password is proved where the application uses it (`url`), and on the server itself (`server`)
//! where a pooler stands between. Changes go to the server itself only: a pooler may keep a session
//! alive whose client is gone, and give it to somebody else.

mod functions;
mod kind;
mod preflight;
mod roles;
mod scram;
mod session;
pub mod setup;
mod target;
mod users;

use async_trait::async_trait;
use keyrota_contract::{
    Entropy, Material, Minted, Probe, Public, Report, Rotator, RotatorError, SecretValue, Target,
    Which,
};
use zeroize::Zeroizing;

use super::database::{Login, password};
use super::material::pick;

pub use kind::KIND;
pub use users::Postgres;

#[async_trait]
impl Rotator for Postgres {
    async fn preflight(&self, m: &Material) -> Result<Report, RotatorError> {
        preflight::preflight(self, m).await
    }

    fn create(&self, m: &Material, entropy: &mut dyn Entropy) -> Result<Minted, RotatorError> {
        let current = self.current(m)?;
        let user = self
            .settings
            .next(&current.user)
            .expect("its user is one of the file's");
        let next = Login {
            user: Zeroizing::new(user.to_owned()),
            password: password(entropy),
        };
        let value = self
            .settings
            .compose(&next, m.current.as_ref().map(|c| &c.value))
            .map_err(RotatorError::Refused)?;
        Ok(Minted {
            value,
            public: Public::new(),
        })
    }

    fn adopt(&self, value: SecretValue, _: &mut dyn Entropy) -> Result<Minted, RotatorError> {
        self.login(&value)?;
        Ok(Minted {
            value,
            public: Public::new(),
        })
    }

    async fn probe(&self, which: Which, m: &Material) -> Probe {
        // What cannot be read is not sent, so nothing is learnt of it.
        let Some(Ok(login)) = pick(which, m).map(|v| self.login(&v.value)) else {
            return Probe::Unknown;
        };
        let mut all = None;
        for at in self.endpoints() {
            let one = self.probe_at(at, &login).await;
            all = Some(match all {
                None => one,
                Some(before) if before == one => one,
                Some(Probe::Unknown) => Probe::Unknown,
                // A pooler that remembers an old password: the value is right, and has to wait.
                Some(_) if one != Probe::Unknown => Probe::Blocked,
                Some(_) => Probe::Unknown,
            });
        }
        all.unwrap_or(Probe::Unknown)
    }

    fn public(&self, _: &SecretValue, stored: &Public) -> Public {
        stored.clone()
    }

    fn target(&self) -> Option<&dyn Target> {
        Some(self)
    }
}
