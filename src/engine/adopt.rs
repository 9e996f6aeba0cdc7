//! Import: what exists becomes known, and nothing that anybody reads changes.

use keyrota_contract::{
    Material, Probe, Public, RotatorError, SecretValue, Stage, Version, VersionRef, Which,
};

use super::mint::{Claim, claims};
use super::parts::{Parts, flaw};
use super::start::{Begin, NotBegun, Order};
use super::target::ACCEPTS_ANYTHING;
use super::{Engine, EngineError, Given, Stop, entries};
use crate::audit::{self, Actor, NewEntry};
use crate::config::gate_rules;
use crate::config::model::Secret;
use crate::state::{self, Change, Rotation};
use crate::wire::UNREADABLE;

/// What became of an import.
#[derive(Debug)]
pub enum Adopted {
    /// It was stored, or it was there already; it is known now.
    Imported,
    /// It is known already, with this value.
    Known,
    /// The provider holds another value: importing would be a rotation that nobody is told of.
    Differs,
    /// The provider holds nothing that could be recorded in place.
    Absent,
    /// It cannot be used as this secret: why.
    Unfit(&'static str),
    /// A rotation is under way.
    Running,
    /// It was begun and stopped; where.
    Stopped(Stop),
}

impl Engine {
    /// Adopts `value` as the current one: stored if the provider holds none, or one that gives way;
    /// recorded if it holds the same. Without `value`, what the provider holds is recorded as it is and nothing is
    /// written to it. A `kid` that came with it stays its key id. Repeating it is harmless.
    pub async fn adopt(
        &self,
        name: &str,
        value: Option<&SecretValue>,
        kid: Option<&str>,
        actor: &str,
    ) -> Result<Adopted, EngineError> {
        let secret = self.secret(name)?;
        let parts = self.parts(secret)?;
        let resumes = match self.store.open_rotation(&self.env.name, name).await? {
            Some(row) if row.trigger == "import" => true,
            Some(_) => return Ok(Adopted::Running),
            None => false,
        };
        let given = value.map(|value| Given { value, kid });
        if let (Some(given), false) = (given, resumes)
            && let Some(unfit) = self.complaints(secret, &parts, given).await?.first()
        {
            return Ok(Adopted::Unfit(unfit));
        }
        self.recall(secret, &parts).await?;
        let all = parts.provider.describe(&parts.place).await?;
        if let Some(flaw) = flaw(&all) {
            return Ok(Adopted::Unfit(flaw));
        }
        let current = parts.load(&all, &VersionRef::Stage(Stage::Current)).await?;
        let differs = match (&current, value) {
            (Some(current), Some(value)) => !current.value.same_as(value),
            _ => false,
        };
        match (&current, value) {
            (Some(current), _)
                if !resumes && differs && !self.gives_way(secret, &parts, current).await? =>
            {
                return Ok(Adopted::Differs);
            }
            (None, None) => return Ok(Adopted::Absent),
            (Some(_), _) if !resumes && !differs => {}
            (_, value) => {
                let order = Order {
                    trigger: "import",
                    reason: Some("import"),
                    actor,
                    turn: None,
                    compromised: false,
                    forced: false,
                    given,
                };
                let begun = self.rotate(name, &order).await?;
                return Ok(match begun {
                    Begin::Drive {
                        stop: Stop::Over(keyrota_rotation::Outcome::Rotated),
                        ..
                    } => {
                        // An import that an earlier process began may have stored another value.
                        let now = parts.version(&VersionRef::Stage(Stage::Current)).await?;
                        match (now, value) {
                            (Some(now), Some(value)) if !now.value.same_as(value) => {
                                Adopted::Differs
                            }
                            _ => Adopted::Imported,
                        }
                    }
                    Begin::Drive { stop, .. } => Adopted::Stopped(stop),
                    Begin::Not(NotBegun::UnderWay) => Adopted::Running,
                    Begin::Not(why) => Adopted::Unfit(why.advice()),
                });
            }
        }
        let Some(current) = current else {
            return Ok(Adopted::Absent);
        };
        let given = Given {
            value: &current.value,
            kid,
        };
        let complaints = self.complaints(secret, &parts, given).await?;
        if let Some(unfit) = complaints.first() {
            return Ok(Adopted::Unfit(unfit));
        }
        if !given.has_kid(&current.public) {
            return Ok(Adopted::Unfit(OTHER_KID));
        }
        self.record(secret, &parts, &current, actor).await
    }

    /// Whether what the provider holds may be replaced by an import: nobody can have it from here,
    /// or nobody can use it any more.
    async fn gives_way(
        &self,
        secret: &Secret,
        parts: &Parts<'_>,
        current: &Version,
    ) -> Result<bool, EngineError> {
        if !secret.facts.rotates() {
            return Ok(true); // it was changed where it is made, and this is how it follows here
        }
        if parts.rotator.target().is_none() {
            return Ok(false);
        }
        let material = self.material_of(parts, &current.value).await?;
        let probe = parts.rotator.probe(Which::Current, &material).await;
        Ok(probe == Probe::Rejected)
    }

    /// What a rotator needs to judge one value as the current one.
    async fn material_of(
        &self,
        parts: &Parts<'_>,
        value: &SecretValue,
    ) -> Result<Material, EngineError> {
        Ok(Material {
            current: Some(Version {
                id: None,
                value: value.expose_to(SecretValue::copy_of),
                public: Public::new(),
            }),
            uses: parts.uses().await?,
            ..Material::default()
        })
    }

    /// Why `given` cannot be the value of a secret, in fixed sentences; none if it can. Changes
    /// nothing.
    pub async fn unfit(
        &self,
        name: &str,
        given: Given<'_>,
    ) -> Result<Vec<&'static str>, EngineError> {
        let secret = self.secret(name)?;
        self.complaints(secret, &self.parts(secret)?, given).await
    }

    async fn complaints(
        &self,
        secret: &Secret,
        parts: &Parts<'_>,
        given: Given<'_>,
    ) -> Result<Vec<&'static str>, EngineError> {
        let value = given.value;
        let unmeant = value.expose_to(|bytes| gate_rules::unmeant(secret, bytes));
        if !unmeant.is_empty() {
            return Ok(unmeant);
        }
        let claimed = match self.adopted(secret, parts, given) {
            Ok(minted) => self.claimed(secret, value, &minted.public).await?,
            Err(
                RotatorError::Refused(why)
                | RotatorError::Retry(why)
                | RotatorError::Held(why)
                | RotatorError::Ambiguous(why)
                | RotatorError::Rejected(why),
            ) => Some(why),
        };
        if let Some(why) = claimed {
            return Ok(vec![why]);
        }
        if parts.rotator.target().is_none() {
            return Ok(Vec::new());
        }
        let material = self.material_of(parts, value).await?;
        // A program may need what comes with the same import; a server that is logged in to, never.
        if secret.facts.program.is_some() && material.uses.len() < secret.facts.uses.len() {
            return Ok(Vec::new());
        }
        Ok(match parts.rotator.probe(Which::Current, &material).await {
            Probe::Accepted => self.trusting(secret, parts, &material).await,
            Probe::Blocked => vec!["it is right, but a lock or a limit of its server blocks it"],
            Probe::Rejected => {
                vec!["its server refuses it: import what its program logs in with now"]
            }
            Probe::Unknown => match self.trusting(secret, parts, &material).await.as_slice() {
                // It asks for no password, so the value was not tried.
                [ACCEPTS_ANYTHING] => vec![ACCEPTS_ANYTHING],
                _ => vec![not_asked(secret, parts, &material).await],
            },
        })
    }

    /// What is wrong with a database that accepted the value: one that lets anybody in proves nothing.
    /// A program that speaks for its target is asked when the import has begun.
    async fn trusting(
        &self,
        secret: &Secret,
        parts: &Parts<'_>,
        material: &Material,
    ) -> Vec<&'static str> {
        let (Some(target), None) = (parts.rotator.target(), secret.facts.program) else {
            return Vec::new();
        };
        match target.control(material).await {
            Probe::Rejected => Vec::new(),
            Probe::Accepted => vec![ACCEPTS_ANYTHING],
            Probe::Blocked | Probe::Unknown => {
                vec!["its server does not say whether it refuses a wrong value: try again"]
            }
        }
    }

    /// Writes down what the provider holds, without touching it.
    async fn record(
        &self,
        secret: &Secret,
        parts: &Parts<'_>,
        current: &keyrota_contract::Version,
        actor: &str,
    ) -> Result<Adopted, EngineError> {
        let fingerprint = self
            .keys
            .fingerprint(&self.env.name, &secret.name, &current.value);
        let mut known = self.secret_row(secret).await?;
        if known.fingerprint.as_ref() == Some(&fingerprint) {
            return Ok(Adopted::Known);
        }
        let versions = parts.provider.describe(&parts.place).await?;
        let info = versions
            .into_iter()
            .find(|v| v.stages.contains(&Stage::Current));
        let now = self.now();
        let id = self.new_id();
        known.version = current.id;
        known.native = info.as_ref().map(|i| i.native.0.clone());
        known.fingerprint = Some(fingerprint.clone());
        known.changed_ms = info.and_then(|i| i.created).or(Some(now.0));
        let row = Rotation {
            id,
            env: self.env.name.clone(),
            secret: secret.name.clone(),
            account: None,
            trigger: "import".to_owned(),
            reason: Some("import".to_owned()),
            actor: actor.to_owned(),
            phase: "done".to_owned(),
            outcome: Some(state::Outcome::Imported),
            started_ms: now.0,
            ended_ms: Some(now.0),
            version: current.id,
            fingerprint: Some(fingerprint.clone()),
            record: "{}".to_owned(),
            revision: 0,
        };
        let mut changes = vec![
            Change::PutSecret(known.clone()),
            Change::InsertRotation(row),
        ];
        let claimed = self
            .claimed(secret, &current.value, &current.public)
            .await?;
        if let Some(why) = claimed {
            return Ok(Adopted::Unfit(why));
        }
        let claims = claims(&self.env.name, &secret.name, &current.public, &fingerprint);
        changes.extend(claims.into_iter().map(Claim::into_change));
        let entry = NewEntry::new(
            "rotation.imported",
            audit::Phase::Admin,
            Actor::operator(actor),
        )
        .outcome(audit::Outcome::Ok)
        .object(entries::object(&self.env.name, secret))
        .rotation(id)
        .after(known.native, Some(fingerprint))
        .detail("how", "in place: nothing was written to the provider");
        self.commit(&changes, &[entry]).await?;
        Ok(Adopted::Imported)
    }
}

/// Why nothing was learnt of a value, in the rotator's own words where it has them.
async fn not_asked(secret: &Secret, parts: &Parts<'_>, material: &Material) -> &'static str {
    // What is missing beside the value is not why.
    let complete = material.uses.len() >= secret.facts.uses.len();
    if complete || secret.facts.tries_value_first {
        let looked = parts.rotator.preflight(material).await;
        match looked {
            Err(RotatorError::Refused(why)) => return why,
            Err(RotatorError::Retry(why)) if why == UNREADABLE => return why,
            _ => {}
        }
    }
    "its server could not be asked: is it up, is it reached from here, and does ca_file vouch for it?"
}

const OTHER_KID: &str = "the provider holds this key with another key id, or with none, and recording it in place \
     writes nothing there: programs and verifiers would see that one. Import it without a key id if no token in use \
     carries yours, else remove it from the provider and import it again";
