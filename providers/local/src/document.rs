//! What stands inside a sealed document: pure, no file and no key in sight.
//!
//! ```json
//! {
//!   "keyrota": 1,
//!   "host": "ops-1",
//!   "generation": 7,
//!   "secrets": {
//!     "production/session-jwt": {
//!       "versions": [
//!         {
//!           "id": "0198c5a0-…", "native": "6", "stage": "current", "created": 1755000000000,
//!           "value": "text, or {\"base64\": …} for bytes that are not", "public": { "kid": "…" }
//!         }
//!       ]
//!     }
//!   }
//! }
//! ```
//!
//! `native` is the generation that brought the version, so it is never used twice; `created` is the
//! time inside the id (milliseconds since 1970, UUID version 7), `null` for other ids.

use std::collections::BTreeMap;

use keyrota_contract::{
    ErrorKind, Native, ProviderError, Public, SecretValue, Stage, VersionInfo, VersionRef,
};
use uuid::Uuid;

mod text;
pub(crate) use text::DocumentError;

/// All secrets of one environment.
pub(crate) struct Document {
    /// The host that the document belongs to: the first that wrote it.
    pub host: String,
    /// How often it was written.
    pub generation: u64,
    secrets: BTreeMap<String, Vec<Version>>,
}

struct Version {
    id: Uuid,
    native: Native,
    stage: Stage,
    created: Option<i64>,
    value: SecretValue,
    public: Public,
}

/// What an operation answers, and whether the document must be written for it.
pub(crate) struct Done<T> {
    pub answer: T,
    pub changed: bool,
}

impl Document {
    /// An empty one, never written.
    pub fn new(host: &str) -> Self {
        Self {
            host: host.to_string(),
            generation: 0,
            secrets: BTreeMap::new(),
        }
    }

    /// See [`keyrota_contract::Provider::describe`].
    pub fn describe(&self, path: &str) -> Vec<VersionInfo> {
        self.versions(path)
            .iter()
            .map(|v| VersionInfo {
                native: v.native.clone(),
                ours: Some(v.id),
                stages: vec![v.stage],
                created: v.created,
                flaw: None,
                public: v.public.clone(),
            })
            .collect()
    }

    /// See [`keyrota_contract::Provider::read`].
    pub fn read(&self, path: &str, wanted: &VersionRef) -> Option<SecretValue> {
        let version = self.versions(path).iter().find(|v| v.is(wanted))?;
        Some(version.value.expose_to(SecretValue::copy_of))
    }

    /// See [`keyrota_contract::Provider::write`].
    pub fn write(
        &mut self,
        path: &str,
        id: Uuid,
        value: &SecretValue,
        public: &Public,
    ) -> Result<Done<Native>, ProviderError> {
        let native = Native(self.generation.saturating_add(1).to_string());
        let versions = self.secrets.entry(path.to_string()).or_default();
        if let Some(there) = versions.iter().find(|v| v.id == id) {
            return match there.value.same_as(value) {
                true => Ok(Done {
                    answer: there.native.clone(),
                    changed: false,
                }),
                false => Err(ProviderError::new(
                    ErrorKind::Conflict,
                    "this version id has another value already",
                )),
            };
        }
        versions.retain(|v| v.stage != Stage::Pending);
        versions.push(Version {
            id,
            native: native.clone(),
            stage: Stage::Pending,
            created: created(id),
            value: value.expose_to(SecretValue::copy_of),
            public: public.clone(),
        });
        Ok(Done {
            answer: native,
            changed: true,
        })
    }

    /// See [`keyrota_contract::Provider::promote`].
    pub fn promote(
        &mut self,
        path: &str,
        to: Uuid,
        from: Option<&Native>,
    ) -> Result<Done<Native>, ProviderError> {
        let missing = ProviderError::new(ErrorKind::NotFound, "no such version to promote");
        let versions = self.secrets.get_mut(path).ok_or(missing)?;
        let target = versions.iter().find(|v| v.id == to).ok_or(missing)?;
        let answer = target.native.clone();
        if target.stage == Stage::Current {
            return Ok(Done {
                answer,
                changed: false,
            });
        }
        let current = versions
            .iter()
            .find(|v| v.stage == Stage::Current)
            .map(|v| &v.native);
        if current != from {
            return Err(ProviderError::new(
                ErrorKind::Conflict,
                "another version is current than the one expected",
            ));
        }
        if current.is_some() {
            versions.retain(|v| v.stage != Stage::Previous || v.id == to);
        }
        for v in versions.iter_mut() {
            match v.stage {
                _ if v.id == to => v.stage = Stage::Current,
                Stage::Current => v.stage = Stage::Previous,
                Stage::Pending | Stage::Previous => {}
            }
        }
        Ok(Done {
            answer,
            changed: true,
        })
    }

    /// See [`keyrota_contract::Provider::destroy`]. A secret without versions goes with the last.
    pub fn destroy(&mut self, path: &str, wanted: &VersionRef) -> Result<Done<()>, ProviderError> {
        let Some(versions) = self.secrets.get_mut(path) else {
            return Ok(Done {
                answer: (),
                changed: false,
            });
        };
        if versions
            .iter()
            .any(|v| v.is(wanted) && v.stage == Stage::Current)
        {
            return Err(ProviderError::new(
                ErrorKind::Conflict,
                "the current version is not destroyed",
            ));
        }
        let before = versions.len();
        versions.retain(|v| !v.is(wanted));
        let changed = versions.len() != before;
        if versions.is_empty() {
            self.secrets.remove(path);
        }
        Ok(Done {
            answer: (),
            changed,
        })
    }

    /// See [`keyrota_contract::Provider::remove`].
    pub fn remove(&mut self, path: &str, expected: &Native) -> Result<Done<()>, ProviderError> {
        let current = self.versions(path).iter();
        let mut current = current.filter(|v| v.stage == Stage::Current);
        let changed = match current.next() {
            None => false,
            Some(current) if current.native != *expected => {
                return Err(ProviderError::new(
                    ErrorKind::Conflict,
                    "another version is current than the one expected",
                ));
            }
            Some(_) => true,
        };
        if changed && let Some(versions) = self.secrets.get_mut(path) {
            versions.retain(|v| v.stage == Stage::Pending);
            if versions.is_empty() {
                self.secrets.remove(path);
            }
        }
        Ok(Done {
            answer: (),
            changed,
        })
    }

    fn versions(&self, path: &str) -> &[Version] {
        self.secrets.get(path).map_or(&[], Vec::as_slice)
    }
}

impl Version {
    fn is(&self, wanted: &VersionRef) -> bool {
        match wanted {
            VersionRef::Ours(id) => self.id == *id,
            VersionRef::Stage(stage) => self.stage == *stage,
            VersionRef::Native(native) => self.native == *native,
        }
    }
}

/// The time that a version 7 id carries (RFC 9562 §5.7).
fn created(id: Uuid) -> Option<i64> {
    let (seconds, nanos) = id
        .get_timestamp()
        .filter(|_| id.get_version_num() == 7)?
        .to_unix();
    i64::try_from(seconds)
        .ok()?
        .checked_mul(1000)?
        .checked_add(i64::from(nanos / 1_000_000))
}

#[cfg(test)]
mod tests;
