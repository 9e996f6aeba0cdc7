//! The effects on a target: a server, or a program, that has to be told.

use keyrota_contract::{Material, Probe, Quiet, Target};
use keyrota_rotation::{Reply, Which};

use super::budget;
use super::job::{Job, role};
use super::performed::{Learnt, Performed};

impl Job<'_> {
    /// A server that accepts a wrong value accepts anything (trust authentication, an agent in
    /// between), and what it says of right ones proves nothing. A login that is refused may count
    /// towards a lock of the account, so a server is asked once a day. What to remember of it.
    pub(super) async fn control(
        &self,
        server: Option<&str>,
        material: &Material,
    ) -> Result<Option<(String, String)>, Performed> {
        let Some(target) = self.parts.rotator.target() else {
            return Ok(None);
        };
        let fact = server.map(|server| format!("refuses/{server}/{}", target.account()));
        let now = self.engine.now().0;
        if let Some(fact) = &fact {
            let seen = self.fact(fact).await?.and_then(|at| at.parse::<i64>().ok());
            if seen.is_some_and(|at| (0..CONTROL_LASTS_MS).contains(&now.saturating_sub(at))) {
                return Ok(None);
            }
        }
        match target.control(material).await {
            Probe::Rejected => Ok(fact.map(|fact| (fact, now.to_string()))),
            Probe::Accepted => Err(Performed::failed(Reply::Refused, ACCEPTS_ANYTHING)),
            Probe::Blocked | Probe::Unknown => Err(Performed::failed(
                Reply::Retry,
                "the target does not say whether it refuses a wrong value",
            )),
        }
    }

    /// Waits when too many logins were refused lately.
    pub(super) async fn spare_the_account(&self) -> Result<(), Performed> {
        let Some(target) = self.parts.rotator.target() else {
            return Ok(());
        };
        let known = self.fact(&budget::fact(&target.account())).await?;
        if budget::is_spent(known.as_deref(), self.engine.now().0) {
            return Err(Performed::failed(
                Reply::Held,
                "three logins were refused within a quarter of an hour: waiting, so that the server does not lock the account",
            ));
        }
        Ok(())
    }

    pub(super) async fn install(&self, which: Which) -> Result<Performed, Performed> {
        let material = self.material().await?;
        let current = material.current.as_ref().map(|v| self.print(&v.value));
        if which == Which::Pending {
            if current != self.journal.from_fingerprint {
                // Its value may be on the server already: the candidate would end it.
                return Err(Performed::failed(
                    Reply::Refused,
                    "another tool changed the current value after this rotation began; keyrota leaves it as it is",
                ));
            }
            self.candidate_is_as_written(&material)?;
        }
        self.target()?
            .install(role(which), self.id, &material)
            .await?;
        self.engine.kill.after_effect();
        Ok(Performed::done(Learnt::Nothing))
    }

    pub(super) async fn quiesce(&self) -> Result<Performed, Performed> {
        let material = self.material().await?;
        match self.target()?.quiesce(self.id, &material).await {
            Quiet::Quiet => Ok(Performed::done(Learnt::Nothing)),
            Quiet::Unknown => Err(Performed::failed(
                Reply::Retry,
                "an earlier attempt may still take effect",
            )),
        }
    }

    pub(super) async fn refuse(&self, which: Which) -> Result<Performed, Performed> {
        let material = self.material().await?;
        match which {
            Which::Previous => self.current_works(&material).await?,
            // What somebody else wrote there may name another user.
            Which::Pending => self.candidate_is_as_written(&material)?,
            Which::Current => {}
        }
        self.target()?.refuse(role(which), &material).await?;
        self.engine.kill.after_effect();
        Ok(Performed::done(Learnt::Nothing))
    }

    /// A database restored during the grace, or a person's change, may have ended the current value:
    /// then the previous one may be all that works, and it is left alone.
    async fn current_works(&self, material: &Material) -> Result<(), Performed> {
        let current = keyrota_contract::Which::Current;
        match self.parts.rotator.probe(current, material).await {
            Probe::Accepted => Ok(()),
            Probe::Rejected => Err(Performed::failed(
                Reply::Refused,
                "the target does not accept the current value, so the previous one is left as it is: set the current one there, then resume",
            )),
            Probe::Blocked | Probe::Unknown => Err(Performed::failed(
                Reply::Retry,
                "the target does not say that the current value works: the previous one is left as it is",
            )),
        }
    }

    fn target(&self) -> Result<&dyn Target, Performed> {
        self.parts
            .rotator
            .target()
            .ok_or(Performed::failed(Reply::Refused, "this kind has no server"))
    }
}

/// What is said of a target that accepts a wrong value.
pub(super) const ACCEPTS_ANYTHING: &str = "the target accepts a wrong value, so nothing it accepts is proven: look for trust or peer authentication (pg_hba.conf)";

/// How long a server that was seen to refuse a wrong value is taken to do so.
const CONTROL_LASTS_MS: i64 = 24 * 3600 * 1000;
