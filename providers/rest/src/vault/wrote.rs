//! What keyrota wrote under a path, and which answers are older than that.
//!
//! A standby or a replica answers from its own copy of the data. A path's version numbers only grow, so a
//! smaller one is older. A candidate's path is deleted and made again: there, what keyrota replaced is older.

use std::collections::BTreeSet;

use uuid::Uuid;
use vaultrs::api::kv2::responses::ReadSecretMetadataResponse;

use super::document::{Held, Pending};
use super::records::Records;

/// What stood at a candidate's path: its version, and our id of it; `None`: nothing.
pub(super) type State = Option<(u64, Option<Uuid>)>;

/// What keyrota wrote under one path.
#[derive(Default)]
pub(super) struct Wrote {
    version: u64,
    record: Option<(u64, Uuid)>,
    erased: BTreeSet<u64>,
    past: BTreeSet<State>,
    /// The candidate that another process wrote.
    candidate: Option<Uuid>,
}

impl Wrote {
    /// The server has this version.
    pub fn version(&mut self, version: u64) {
        self.version = self.version.max(version);
    }

    /// It was written down whose a version is.
    pub fn recorded(&mut self, version: u64, id: Uuid) {
        self.record = Some((version, id));
    }

    pub fn erased(&mut self, versions: &[u64]) {
        self.erased.extend(versions);
    }

    /// The candidate's path is about to hold this id, or nothing. The answer may be lost: what it leads to is
    /// not older from now on.
    pub fn begins(&mut self, to: Option<Uuid>) {
        self.candidate = None;
        self.past.retain(|past| match (past, to) {
            (None, None) => false,
            (Some((_, Some(id))), Some(to)) => *id != to,
            _ => true,
        });
    }

    /// The candidate's path was `from`, and is `to`.
    pub fn replaced(&mut self, from: State, to: State) {
        self.past.insert(from);
        self.past.remove(&to);
    }

    /// Another process wrote this candidate.
    pub fn expects(&mut self, id: Uuid) {
        self.candidate = Some(id);
    }

    /// Whether an answer about a version, or about the newest, is from before the last write.
    pub fn lags(&self, asked: Option<u64>, held: &Held) -> bool {
        let (here, number) = (matches!(held, Held::Here(_)), held.number());
        let older = match asked {
            Some(asked) => number == 0 && asked <= self.version,
            None => number < self.version,
        };
        older
            || here && self.erased.contains(&number)
            || !self.past.is_empty() && self.past.contains(&state(held))
            || self.candidate.is_some_and(|id| is_before(state(held), id))
    }

    /// The same of a path's metadata.
    pub fn lags_in(&self, meta: Option<&ReadSecretMetadataResponse>) -> bool {
        let Some(meta) = meta else {
            return self.version > 0;
        };
        let stands = |n: &u64| {
            meta.versions
                .get(&n.to_string())
                .is_some_and(|v| !v.destroyed)
        };
        let unrecorded = |(version, id)| {
            let custom = meta.custom_metadata.clone().unwrap_or_default();
            Records::of(custom).of_version(version) != Some(id)
        };
        meta.current_version < self.version
            || self.erased.iter().any(stands)
            // What was written down of an older version makes room in time.
            || meta.current_version == self.version && self.record.is_some_and(unrecorded)
    }
}

/// Another tool's has no id of ours, and is not older.
fn is_before(state: State, candidate: Uuid) -> bool {
    match state {
        Some((_, shown)) => shown.is_some_and(|shown| shown != candidate),
        None => true,
    }
}

fn state(held: &Held) -> State {
    match held {
        Held::Gone(0) => None,
        Held::SoftDeleted(version) | Held::Gone(version) => Some((*version, None)),
        Held::Here(document) => {
            let candidate = Pending::from_document(document).ok();
            Some((document.version, candidate.map(|c| c.id)))
        }
    }
}
