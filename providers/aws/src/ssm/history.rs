//! What stands under a parameter's name, and under the candidate's.

use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::{ParameterHistory, ParameterInlinePolicy, ParameterTier, ParameterType};
use keyrota_contract::{
    ErrorKind, Native, ProviderError, SecretValue, Stage, VersionInfo, VersionRef,
};
use uuid::Uuid;

use super::description::Description;
use super::{conflict, invalid};
use crate::error::{Doing, classify};

/// Marks the newest version that was destroyed; those before it are meant too.
pub(super) const DESTROYED: &str = "keyrota-destroyed";

/// So many versions AWS keeps of one parameter.
pub(super) const WINDOW: usize = 100;
const PAGE: i32 = 50;
/// Pages may be short, even empty; an answer that never ends is none.
const PAGES_MAX: usize = 16;

pub(super) const FOREIGN_PENDING: ProviderError =
    conflict("another tool wrote to the name of the new value (…/.keyrota/pending)");

/// AWS does not change a parameter's type.
const OPEN: &str = "the parameter is not a SecureString: everybody who may list it reads its value; make a SecureString under another name, and name that one in `path`";

/// The versions of one parameter, the oldest first; none if it does not exist.
#[derive(Default)]
pub(super) struct History {
    pub versions: Vec<Version>,
}

/// One version of a parameter.
pub(super) struct Version {
    pub number: i64,
    pub description: Description,
    pub key: Option<String>,
    pub advanced: bool,
    pub allowed_pattern: Option<String>,
    /// AWS deletes the parameter by itself, whatever it holds by then.
    pub expires: bool,
    destroyed: bool,
    secure: bool,
    modified: Option<i64>,
    value: Option<SecretValue>,
}

impl Version {
    fn of(found: ParameterHistory, with_value: bool) -> Self {
        let has = |label: &String| label == DESTROYED;
        let ends = |policy: &ParameterInlinePolicy| {
            let words = [policy.policy_type(), policy.policy_text()];
            let mut words = words.into_iter().flatten();
            policy.policy_type() == Some("Expiration")
                || words.any(|text| text.contains("\"Expiration\""))
        };
        Self {
            number: found.version,
            description: Description::parse(found.description.as_deref().unwrap_or_default()),
            advanced: found.tier == Some(ParameterTier::Advanced),
            destroyed: found.labels().iter().any(has),
            expires: found.policies().iter().any(ends),
            secure: found.r#type == Some(ParameterType::SecureString),
            modified: found.last_modified_date.and_then(|d| d.to_millis().ok()),
            key: found.key_id,
            allowed_pattern: found.allowed_pattern,
            value: found
                .value
                .filter(|_| with_value)
                .map(|v| SecretValue::new(v.into_bytes())),
        }
    }

    /// Its value, where it was asked for.
    pub(super) fn value(&self) -> Option<SecretValue> {
        let value = self.value.as_ref()?;
        Some(value.expose_to(SecretValue::copy_of))
    }
}

impl History {
    /// All of it: the newest version is on the last page.
    pub(super) async fn read(
        client: &Client,
        name: &str,
        with_values: bool,
    ) -> Result<Self, ProviderError> {
        let mut versions = Vec::new();
        let mut next = None;
        for _ in 0..PAGES_MAX {
            let request = client
                .get_parameter_history()
                .name(name)
                .with_decryption(with_values)
                .max_results(PAGE)
                .set_next_token(next);
            let page = match request.send().await {
                Ok(page) => page,
                Err(e) => {
                    return match classify(Doing::Looking, &e) {
                        e if e.kind == ErrorKind::NotFound => Ok(Self::default()),
                        e => Err(e),
                    };
                }
            };
            let found = page.parameters.unwrap_or_default().into_iter();
            versions.extend(found.map(|v| Version::of(v, with_values)));
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                versions.sort_by_key(|v| v.number);
                return Ok(Self { versions });
            }
        }
        // Never a part of it: the newest version would seem to be an older one.
        Err(ProviderError::new(
            ErrorKind::Unavailable,
            "the parameter's history does not end",
        ))
    }

    pub(super) fn latest(&self) -> Option<&Version> {
        self.versions.last()
    }

    /// The number of the newest version that was destroyed; 0 if none was.
    pub(super) fn destroyed_up_to(&self) -> i64 {
        let destroyed = self.versions.iter().filter(|v| v.destroyed);
        destroyed.map(|v| v.number).max().unwrap_or(0)
    }

    /// What was current before: not an earlier try to promote the one that is current now.
    fn previous(&self) -> Option<&Version> {
        let (current, before) = self.versions.split_last()?;
        let same =
            |v: &&Version| v.description.id.is_some() && v.description.id == current.description.id;
        let previous = before.iter().rev().find(|v| !same(v))?;
        (previous.number > self.destroyed_up_to()).then_some(previous)
    }
}

/// Everything that stands at a place.
pub(super) struct Slots {
    pub pending: History,
    pub named: History,
}

impl Slots {
    fn at(&self, stage: Stage) -> Option<&Version> {
        match stage {
            Stage::Current => self.named.latest(),
            Stage::Previous => self.named.previous(),
            // A promote that died before it deleted the candidate leaves what is current already.
            Stage::Pending => self.pending.latest().filter(|pending| {
                let id = pending.description.id;
                let current = self.named.latest().and_then(|v| v.description.id);
                id.is_none() || id != current
            }),
        }
    }

    /// A version that has a role, and the role.
    pub(super) fn find(&self, wanted: &VersionRef) -> Option<(Stage, &Version)> {
        let roles = [Stage::Current, Stage::Pending, Stage::Previous];
        let roles = roles.into_iter().filter_map(|s| Some((s, self.at(s)?)));
        roles.into_iter().find(|(stage, version)| match wanted {
            VersionRef::Ours(id) => version.description.id == Some(*id),
            VersionRef::Stage(wanted) => wanted == stage,
            VersionRef::Native(wanted) => native(*stage, version) == *wanted,
        })
    }

    pub(super) fn infos(&self) -> Vec<VersionInfo> {
        let roles = [Stage::Pending, Stage::Current, Stage::Previous];
        let roles = roles.into_iter().filter_map(|s| Some((s, self.at(s)?)));
        roles
            .map(|(stage, version)| VersionInfo {
                native: native(stage, version),
                ours: version.description.id,
                stages: vec![stage],
                created: version.modified,
                flaw: (!version.secure).then_some(OPEN),
                public: version.description.public.clone(),
            })
            .collect()
    }

    /// Nothing is written over what is not a SecureString, or not keyrota's.
    pub(super) fn refuse_others(&self) -> Result<(), ProviderError> {
        let open = |v: Option<&Version>| v.is_some_and(|v| !v.secure);
        if open(self.named.latest()) || open(self.pending.latest()) {
            return Err(invalid(OPEN));
        }
        match self.pending.latest() {
            Some(pending) if pending.description.id.is_none() => Err(FOREIGN_PENDING),
            _ => Ok(()),
        }
    }
}

/// A number of the parameter's own; of the candidate, which has numbers of its own, our id.
fn native(stage: Stage, version: &Version) -> Native {
    Native(match (stage, version.description.id) {
        (Stage::Pending, Some(id)) => pending_native(id),
        (Stage::Pending, None) => format!("pending-{}", version.number),
        _ => version.number.to_string(),
    })
}

/// Whether this is a name of the candidate's.
pub(super) fn names_pending(v: &VersionRef) -> bool {
    matches!(v, VersionRef::Native(n) if n.0.starts_with("pending-"))
}

pub(super) fn pending_native(id: Uuid) -> String {
    format!("pending-{id}")
}
