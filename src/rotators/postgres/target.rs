//! Changing passwords on the server.
//!
//! With two users only the one that is *not* in the current value is ever changed. With one user the
//! administrator changes it, or it changes itself, logged in with whichever of its passwords works.

use std::time::Duration;

use async_trait::async_trait;
use keyrota_contract::{Material, Overlap, Probe, Quiet, RotatorError, Target, Which};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::super::database::{Login, Method, Users, admin_login};
use super::super::material::pick;
use super::functions::change;
use super::session::{self, NAME, Session, Shut, ask, leave, open, prepare};
use super::users::Postgres;
use super::{roles, scram};

#[async_trait]
impl Target for Postgres {
    fn overlap(&self) -> Overlap {
        match self.settings.users {
            Users::One(_) => Overlap::Replace,
            Users::Two(_) => Overlap::Dual,
        }
    }

    fn uses(&self) -> &[String] {
        &self.uses
    }

    fn account(&self) -> String {
        self.settings.account("postgres")
    }

    async fn control(&self, _: &Material) -> Probe {
        // It has spaces and more characters than any password of ours.
        const IMPOSSIBLE: &str =
            "keyrota asks whether this server takes any password; this is none";
        // For a user without a verifier the server asks by its own password_encryption, which may be
        // md5. This password protects nothing, so its md5 may be sent.
        let mut settings = self.settings.clone();
        settings.methods.push(Method::Md5);
        let mut all = Probe::Rejected;
        for at in self.endpoints() {
            for user in self.settings.users() {
                let login = Login {
                    user: Zeroizing::new(user.clone()),
                    password: Zeroizing::new(IMPOSSIBLE.to_owned()),
                };
                match session::probe(&settings, at, &login).await {
                    Err(Shut::Rejected) => {}
                    Err(Shut::Unknown(_) | Shut::Barred(_) | Shut::NoPlace) => all = Probe::Unknown,
                    // Or stopped by something that comes after the password: it was taken for right.
                    Ok(()) | Err(Shut::Open | Shut::Blocked | Shut::Full) => {
                        return Probe::Accepted;
                    }
                }
            }
        }
        all
    }

    async fn install(&self, which: Which, attempt: Uuid, m: &Material) -> Result<(), RotatorError> {
        let version = pick(which, m).ok_or(RotatorError::Refused(
            "the version to install is gone from the provider",
        ))?;
        let login = self.login(&version.value)?;
        self.spare_the_active(&login.user, m)?;
        let salt = scram::salt(version.id.unwrap_or(attempt), &login.user);
        let order = match which {
            Which::Current => [Which::Pending, Which::Current, Which::Previous],
            Which::Pending | Which::Previous => [Which::Current, Which::Pending, Which::Previous],
        };
        let mut session = self.enter(&order, &session_name(attempt), m).await?;
        prepare(&mut session, self.settings.admin.is_none()).await?;
        let users = self.settings.users();
        let asked = roles::iterations(&mut session, users).await?;
        let verifier = scram::verifier(&login.password, &salt, scram::iterations(asked))
            .expect("a password that cannot be prepared was refused");
        change(&mut session, &login.user, users, &verifier).await?;
        leave(session).await;
        Ok(())
    }

    async fn quiesce(&self, attempt: Uuid, m: &Material) -> Quiet {
        let order = [Which::Pending, Which::Current, Which::Previous];
        let Ok(mut session) = self.enter(&order, NAME, m).await else {
            return Quiet::Unknown;
        };
        let quiet = match prepare(&mut session, self.settings.admin.is_none()).await {
            Ok(()) => terminate(&mut session, &session_name(attempt)).await,
            Err(error) => Err(error),
        };
        leave(session).await;
        match quiet {
            Ok(true) => Quiet::Quiet,
            Ok(false) | Err(_) => Quiet::Unknown,
        }
    }

    async fn refuse(&self, which: Which, m: &Material) -> Result<(), RotatorError> {
        let current = self.current(m)?;
        let Users::Two(_) = self.settings.users else {
            // The server keeps one password: accepting the current one is refusing all others.
            return match self.probe_at(self.settings.direct(), &current).await {
                Probe::Accepted | Probe::Blocked => Ok(()),
                Probe::Unknown => Err(RotatorError::Retry(
                    "nothing could be learnt of the current value",
                )),
                Probe::Rejected => Err(RotatorError::Refused("the current value is not accepted")),
            };
        };
        let idle = self
            .settings
            .next(&current.user)
            .expect("its user is one of the file's");
        // The value may be gone already; the user that has to be stopped is the idle one either way.
        if let Some(version) = pick(which, m) {
            let login = self.login(&version.value)?;
            self.spare_the_active(&login.user, m)?;
        }
        let mut session = self.enter(&[], NAME, m).await?;
        prepare(&mut session, false).await?;
        let users = self.settings.users();
        let asked = roles::iterations(&mut session, users).await?;
        let refusing = scram::refusing(idle, scram::iterations(asked));
        change(&mut session, idle, users, &refusing).await?;
        leave(session).await;
        Ok(())
    }
}

impl Postgres {
    /// With two users: the one that applications use is never touched.
    fn spare_the_active(&self, user: &str, m: &Material) -> Result<(), RotatorError> {
        if matches!(self.settings.users, Users::One(_)) || *self.current(m)?.user != *user {
            return Ok(());
        }
        Err(RotatorError::Refused(
            "this would change the user that the current value names, and it is in use",
        ))
    }

    /// A session on the server itself: the administrator's, or without one, the user's own with the
    /// first of these values that works.
    async fn enter(
        &self,
        order: &[Which],
        name: &str,
        m: &Material,
    ) -> Result<Session, RotatorError> {
        let mut logins = Vec::new();
        match self.admin(m)? {
            Some(admin) => logins.push(admin),
            None => logins.extend(
                order
                    .iter()
                    .filter_map(|which| pick(*which, m))
                    .filter_map(|version| self.login(&version.value).ok()),
            ),
        }
        for login in &logins {
            match open(&self.settings, self.settings.direct(), login, name).await {
                Ok(session) => return Ok(session),
                Err(Shut::Rejected) => {}
                Err(Shut::Blocked) => {
                    return Err(RotatorError::Retry(
                        "the login that makes the change is blocked by a lock or a limit",
                    ));
                }
                Err(Shut::Full | Shut::NoPlace) => {
                    return Err(RotatorError::Held(session::NO_PLACE));
                }
                Err(Shut::Unknown(why) | Shut::Barred(why)) => {
                    return Err(RotatorError::Retry(why));
                }
                Err(Shut::Open) => return Err(RotatorError::Retry(session::OPEN)),
            }
        }
        // Not for good: an administrator's value changes without us.
        Err(RotatorError::Retry(
            "the server refuses the login that makes the change",
        ))
    }

    /// The administrator's login, if the file names one.
    pub(super) fn admin(&self, m: &Material) -> Result<Option<Login>, RotatorError> {
        let Some(name) = &self.settings.admin else {
            return Ok(None);
        };
        let version = m.uses.get(name).ok_or(RotatorError::Refused(
            "the administrator's secret has no value",
        ))?;
        let admin = admin_login(&version.value).map_err(|_| {
            RotatorError::Refused(
                "the administrator's value is neither a url with a login nor a JSON object with username and password",
            )
        })?;
        Ok(Some(admin))
    }
}

/// Ends the sessions of this name; whether they are gone. One that waits for a lock or a standby
/// ends at once, one whose disk hangs may not.
async fn terminate(session: &mut Session, name: &str) -> Result<bool, RotatorError> {
    const END: &str = "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity \
         WHERE application_name = $1 AND pid <> pg_catalog.pg_backend_pid()";
    const STEP: Duration = Duration::from_millis(250);
    const STEPS: u32 = 80;
    for _ in 0..STEPS {
        let ended = ask(session, sqlx::query(END).bind(name)).await?;
        if ended.is_empty() {
            return Ok(true);
        }
        tokio::time::sleep(STEP).await;
    }
    Ok(false)
}

/// What the sessions of an attempt are called on the server: by this they are found again.
fn session_name(attempt: Uuid) -> String {
    format!("{}/{attempt}", session::NAME)
}
