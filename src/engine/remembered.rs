//! Values that were read already: for the length of one drive, in memory only.
//!
//! What stands where is looked at anew for every effect; the value of a version that a store never
//! changes under its name is fetched once. A store far away is asked, and decrypts, half as often.

use std::sync::{Mutex, PoisonError};

use keyrota_contract::{Native, SecretValue, VersionInfo};

/// Of one place. Dropped, and wiped, when the drive has to wait.
#[derive(Default)]
pub(super) struct Remembered(Mutex<Vec<Known>>);

struct Known {
    native: Native,
    /// A place that is removed and made anew may count its versions from one again. `None`: we wrote
    /// it, and have not seen it listed yet.
    created: Option<i64>,
    value: SecretValue,
}

impl Remembered {
    /// The value of a version as it is listed now; `None` if it was not read before. One that holds
    /// no stage any more may be destroyed, and is asked for.
    pub(super) fn value(&self, listed: &VersionInfo) -> Option<SecretValue> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |known: &&Known| {
            known.native == listed.native
                && (known.created == listed.created
                    || known.created.is_none() && listed.ours.is_some())
        };
        let known = all.iter().find(same).filter(|_| !listed.stages.is_empty());
        known.map(|known| known.value.expose_to(SecretValue::copy_of))
    }

    /// Keeps what a version holds.
    pub(super) fn keep(&self, native: &Native, created: Option<i64>, value: &SecretValue) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Known {
            native: native.clone(),
            created,
            value: value.expose_to(SecretValue::copy_of),
        });
    }
}

#[cfg(test)]
mod tests {
    use keyrota_contract::Stage;
    use uuid::Uuid;

    use super::*;

    fn listed(native: &str, created: Option<i64>, ours: bool) -> VersionInfo {
        VersionInfo {
            native: Native(native.to_owned()),
            ours: ours.then(Uuid::nil),
            stages: vec![Stage::Current],
            flaw: None,
            created,
            public: Default::default(),
        }
    }

    #[test]
    fn only_the_version_that_was_read_is_remembered() {
        let known = Remembered::default();
        let value = SecretValue::copy_of(b"one");
        known.keep(&Native("1".to_owned()), Some(5), &value);
        let is_known = |info: &VersionInfo| known.value(info).is_some_and(|v| v.same_as(&value));
        assert!(is_known(&listed("1", Some(5), false)));
        assert!(!is_known(&listed("2", Some(5), false)));
        assert!(!is_known(&listed("1", Some(6), true)), "made anew");
        let ended = VersionInfo {
            stages: Vec::new(),
            ..listed("1", Some(5), false)
        };
        assert!(!is_known(&ended), "perhaps destroyed");

        known.keep(&Native("7".to_owned()), None, &value);
        assert!(is_known(&listed("7", Some(8), true)), "what we wrote");
        assert!(!is_known(&listed("7", Some(8), false)), "somebody else's");
    }
}
