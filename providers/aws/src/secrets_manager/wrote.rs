//! What keyrota wrote to a secret, and which answers are older than that.
//!
//! AWS numbers nothing here. An answer is older if it shows a label where keyrota took it away.

use std::collections::{BTreeMap, BTreeSet};

use super::labels::{CURRENT, PREVIOUS, Secret};

/// What keyrota wrote to one secret.
#[derive(Default)]
pub(super) struct Wrote {
    made: BTreeSet<String>,
    /// Who held a label before keyrota moved it; `None`: nobody.
    past: BTreeMap<&'static str, BTreeSet<Option<String>>>,
    /// The candidate that another process wrote.
    candidate: Option<String>,
}

impl Wrote {
    /// A label is about to be moved. Its answer may be lost: what it leads to is not older from now on.
    pub(super) fn begins(&mut self, label: &'static str, to: Option<&str>) {
        self.candidate = None;
        if let Some(past) = self.past.get_mut(label) {
            past.remove(&to.map(str::to_owned));
        }
    }

    /// A version was made, with a label that `from` had until then.
    pub(super) fn made(&mut self, id: &str, label: &'static str, from: Option<&str>) {
        if let Some(from) = from {
            // Without a label it is not listed any more.
            self.made.remove(from);
        }
        self.made.insert(id.to_owned());
        self.moved(label, from, Some(id));
    }

    /// A label was moved; `before` is the secret as it was.
    pub(super) fn moved_of(
        &mut self,
        before: &Secret,
        label: &'static str,
        from: Option<&str>,
        to: Option<&str>,
    ) {
        self.moved(label, from, to);
        if label == CURRENT && from.is_some() {
            // AWS moves this one along.
            let last = before.holder(PREVIOUS);
            if let Some(last) = last {
                self.made.remove(last);
            }
            self.moved(PREVIOUS, last, from);
        }
    }

    fn moved(&mut self, label: &'static str, from: Option<&str>, to: Option<&str>) {
        let past = self.past.entry(label).or_default();
        past.insert(from.map(str::to_owned));
        past.remove(&to.map(str::to_owned));
    }

    /// Another process wrote this candidate.
    pub(super) fn expects(&mut self, id: &str) {
        self.made.insert(id.to_owned());
        self.candidate = Some(id.to_owned());
    }

    /// Another process made this version current.
    pub(super) fn switched(&mut self, from: Option<&str>, to: &str) {
        self.made.insert(to.to_owned());
        self.moved(CURRENT, from, Some(to));
    }

    /// A version lost its last label.
    pub(super) fn ended(&mut self, id: &str) {
        self.made.remove(id);
    }

    /// Whether a description is from before the last write.
    pub(super) fn lags(&self, secret: Option<&Secret>) -> bool {
        let unlisted = |id: &String| secret.and_then(|s| s.role(id)).is_none();
        let moved_back = |label: &&'static str| {
            let holder = secret.and_then(|s| s.holder(label));
            self.was(label, holder)
        };
        self.candidate.as_ref().is_some_and(unlisted) || self.past.keys().any(moved_back)
    }

    /// Whether keyrota took a label away from this version.
    pub(super) fn was(&self, label: &str, holder: Option<&str>) -> bool {
        let past = self.past.get(label);
        past.is_some_and(|past| past.contains(&holder.map(str::to_owned)))
    }

    /// Whether keyrota made this version, and did not end it.
    pub(super) fn has_made(&self, id: &str) -> bool {
        self.made.contains(id)
    }
}
