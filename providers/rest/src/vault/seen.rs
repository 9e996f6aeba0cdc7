//! What stands at a place: the metadata of its path, and its candidate.

use std::collections::BTreeMap;

use keyrota_contract::{Native, ProviderError, Public, SecretValue};
use uuid::Uuid;
use vaultrs::api::kv2::requests::ReadSecretMetadataRequest;
use vaultrs::api::kv2::responses::{ReadSecretMetadataResponse, SecretMetadata};

use super::document::{Held, Pending};
use super::login::Session;
use super::records::Records;
use super::soft_deleted;
use super::wire::Effect;
use super::wrote::State;

/// The metadata of a path; `None` if there is no such path.
pub(super) async fn metadata(
    session: &Session,
    mount: &str,
    path: &str,
) -> Result<Option<ReadSecretMetadataResponse>, ProviderError> {
    let read = || ReadSecretMetadataRequest {
        mount: mount.to_owned(),
        path: path.to_owned(),
    };
    let reply = session.ask(Effect::None, read).await?;
    if reply.is_absent() {
        return Ok(None);
    }
    reply.done(Effect::None)?.data().map(Some)
}

/// A place as it was a moment ago.
pub(super) struct Seen {
    current_version: u64,
    versions: BTreeMap<u64, SecretMetadata>,
    records: Records,
    sibling: Option<Pending>,
    /// The newest version of the sibling path.
    pub sibling_version: u64,
    /// What readers find.
    pub current: Current,
}

/// What readers find.
pub(super) enum Current {
    /// Nothing: there never was a version, or it was destroyed.
    Absent,
    /// A version that can be brought back.
    SoftDeleted,
    /// A value that stands there since this version.
    Held { since: u64, id: Option<Uuid> },
}

impl Seen {
    pub fn new(
        meta: Option<ReadSecretMetadataResponse>,
        candidate: Held,
    ) -> Result<Self, ProviderError> {
        let (sibling, sibling_version) = match candidate {
            Held::Here(document) => (Some(Pending::from_document(&document)?), document.version),
            Held::SoftDeleted(version) | Held::Gone(version) => (None, version),
        };
        let mut seen = Self {
            current_version: 0,
            versions: BTreeMap::new(),
            records: Records::default(),
            sibling,
            sibling_version,
            current: Current::Absent,
        };
        if let Some(meta) = meta {
            seen.current_version = meta.current_version;
            let numbered = meta.versions.into_iter();
            seen.versions = numbered
                .filter_map(|(n, about)| Some((n.parse().ok()?, about)))
                .collect();
            seen.records = Records::of(meta.custom_metadata.unwrap_or_default());
        }
        let newest = seen.current_version;
        if seen.is_there(newest) {
            seen.current = Current::Held {
                since: newest,
                id: seen.records.of_version(newest),
            };
        }
        Ok(seen)
    }

    /// The newest version, if its metadata do not say what it is: it has a time to be deleted at,
    /// or nobody wrote down whose it is.
    pub fn to_be_judged(&self) -> Option<u64> {
        let newest = self.current_version;
        let about = self.versions.get(&newest).filter(|a| !a.destroyed)?;
        let ours_perhaps = self.records.of_version(newest).is_none()
            && (self.sibling.as_ref().is_some_and(|p| p.base < newest)
                || self.last_record().is_some());
        (!about.deletion_time.is_empty() || ours_perhaps).then_some(newest)
    }

    /// Says whose the newest version is: by its value, or because since the last recorded version
    /// only other fields were changed.
    pub fn judge(&mut self, newest: &SecretValue, unchanged_since: Option<u64>) {
        let version = self.current_version;
        let promoted = |p: &&Pending| p.base < version && p.holds(newest);
        if let Some(pending) = self.sibling.as_ref().filter(promoted) {
            self.current = Current::Held {
                since: version,
                id: Some(pending.id),
            };
        } else if let Some(since) = unchanged_since {
            self.current = Current::Held {
                since,
                id: self.records.of_version(since),
            };
        }
    }

    /// The newest version's number, 0 if there never was one: what a check-and-set names.
    pub fn version(&self) -> u64 {
        self.current_version
    }

    /// The newest version's number, if readers find it.
    pub fn current_version(&self) -> Result<Option<u64>, ProviderError> {
        match self.current {
            Current::Absent => Ok(None),
            Current::SoftDeleted => Err(soft_deleted()),
            Current::Held { .. } => Ok(Some(self.current_version)),
        }
    }

    /// Our id of what readers find.
    pub fn current_id(&self) -> Option<Uuid> {
        match self.current {
            Current::Held { id, .. } => id,
            Current::Absent | Current::SoftDeleted => None,
        }
    }

    /// Since which version readers find this value.
    pub fn since(&self) -> u64 {
        match self.current {
            Current::Held { since, .. } => since,
            Current::Absent | Current::SoftDeleted => self.current_version,
        }
    }

    /// Whether a version holds the current value, be it an older one than the newest.
    pub fn holds_current(&self, version: u64) -> bool {
        matches!(self.current, Current::Held { since, .. } if (since..=self.current_version).contains(&version))
    }

    /// Whether a version is what readers would find, had nobody deleted it.
    pub fn is_soft_deleted(&self, version: u64) -> bool {
        version == self.current_version && matches!(self.current, Current::SoftDeleted)
    }

    /// Whether `from` is what is current.
    pub fn is_current(&self, from: Option<&Native>) -> bool {
        match (&self.current, from) {
            (Current::Absent, None) => true,
            (Current::Held { .. }, Some(from)) => {
                from.0.parse().is_ok_and(|from| self.holds_current(from))
            }
            _ => false,
        }
    }

    /// The candidate, if it has not become current.
    pub fn pending(&self) -> Option<&Pending> {
        self.sibling
            .as_ref()
            .filter(|p| self.current_id() != Some(p.id))
    }

    /// Whose value stands at the sibling path, whatever became of it.
    pub fn sibling_id(&self) -> Option<Uuid> {
        self.sibling.as_ref().map(|p| p.id)
    }

    /// The sibling path as it was.
    pub fn sibling_state(&self) -> State {
        (self.sibling_version > 0).then_some((self.sibling_version, self.sibling_id()))
    }

    /// Our id of the newest version, if nobody has written it down.
    pub fn unrecorded(&self) -> Option<Uuid> {
        self.current_id()
            .filter(|id| self.sibling_id() == Some(*id))
            .filter(|_| self.records.of_version(self.current_version).is_none())
    }

    /// The version before the current value, and whether it surely is still there.
    pub fn previous(&self) -> Option<(u64, bool)> {
        let Current::Held { since, .. } = self.current else {
            return None;
        };
        let before = since.checked_sub(1)?;
        let about = self.versions.get(&before).filter(|a| !a.destroyed)?;
        Some((before, about.deletion_time.is_empty()))
    }

    /// Whether a version was made and not destroyed.
    pub fn is_there(&self, version: u64) -> bool {
        self.versions.get(&version).is_some_and(|a| !a.destroyed)
    }

    /// Versions from one number up to another that were made and not destroyed. A server may name any number as the
    /// newest, so the versions are counted, never the numbers.
    pub fn there(&self, from: u64, until: u64) -> impl Iterator<Item = u64> {
        let all = self.versions.range(from..);
        all.filter(|(_, about)| !about.destroyed)
            .map(|(n, _)| *n)
            .take_while(move |n| *n < until)
    }

    /// Whether somebody wrote down whose a version is.
    pub fn is_recorded(&self, version: u64) -> bool {
        self.records.of_version(version).is_some()
    }

    /// The newest version that was written down as ours.
    pub fn last_record(&self) -> Option<(u64, Uuid)> {
        self.records.newest()
    }

    /// Our id of a version.
    pub fn id_of(&self, version: u64) -> Option<Uuid> {
        match self.holds_current(version) {
            true => self.current_id(),
            false => self.records.of_version(version),
        }
    }

    /// The version of an id, if it is there.
    pub fn version_of(&self, id: Uuid) -> Option<u64> {
        if self.current_id() == Some(id) {
            return Some(self.current_version);
        }
        let version = self.records.version_of(id)?;
        self.is_there(version).then_some(version)
    }

    /// What may be known of a version.
    pub fn public(&self, version: u64) -> Public {
        let sibling = self
            .sibling
            .as_ref()
            .filter(|p| self.id_of(version) == Some(p.id));
        match (sibling, self.holds_current(version)) {
            (Some(sibling), _) => sibling.public.clone(),
            (None, true) => self.records.public(self.since()),
            (None, false) => self.records.public(version),
        }
    }

    /// When a version was made, in milliseconds since 1970.
    pub fn created(&self, version: u64) -> Option<i64> {
        let version = match self.holds_current(version) {
            true => self.since(),
            false => version,
        };
        let time = &self.versions.get(&version)?.created_time;
        let time: jiff::Timestamp = time.parse().ok()?;
        Some(time.as_millisecond())
    }

    /// Notes that we wrote a version.
    pub fn became(&mut self, version: u64, id: Uuid) {
        self.current_version = version;
        self.current = Current::Held {
            since: version,
            id: Some(id),
        };
    }

    /// All custom metadata, with the record of the newest version, which is `id`'s. `None`: there
    /// is no room for it.
    pub fn custom_with(&self, version: u64, id: Uuid) -> Option<BTreeMap<String, String>> {
        let sibling = self.sibling.as_ref().filter(|p| p.id == id);
        let public = sibling.map(|p| p.public.clone()).unwrap_or_default();
        let mut records = self.records.clone();
        records.retain(|version| self.is_there(version));
        records.add(version, id, &public);
        records.into_custom()
    }
}
