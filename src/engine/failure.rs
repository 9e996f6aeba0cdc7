//! What failures mean: one table from the kind of a provider's error to the reply for the machine and to its
//! remedy, and one from a reply to the words of the audit log. `commands::exit` gives each remedy its exit code.

use keyrota_contract::ErrorKind;
use keyrota_rotation::{Probed, Reply};

use crate::audit::Outcome;

/// What has to happen before another try can work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Time passes.
    Wait,
    /// A person looks at what stands in the provider.
    Person,
    /// The administrator corrects settings, credentials or rights.
    Settings,
}

impl Remedy {
    /// The remedy for an error of this kind.
    pub fn of(kind: ErrorKind) -> Self {
        meaning(kind).1
    }
}

/// The reply for the machine.
pub(super) fn reply(kind: ErrorKind) -> Reply {
    meaning(kind).0
}

fn meaning(kind: ErrorKind) -> (Reply, Remedy) {
    match kind {
        ErrorKind::Unavailable | ErrorKind::Throttled => (Reply::Retry, Remedy::Wait),
        ErrorKind::Ambiguous => (Reply::Ambiguous, Remedy::Wait),
        ErrorKind::NotFound | ErrorKind::SoftDeleted | ErrorKind::Conflict => {
            (Reply::Refused, Remedy::Person)
        }
        ErrorKind::Denied | ErrorKind::Invalid => (Reply::Refused, Remedy::Settings),
    }
}

/// What the audit log says of a reply: the outcome, and the class of the error if there is one.
pub(super) fn logged(reply: Reply) -> (Outcome, &'static str) {
    match reply {
        Reply::Done | Reply::Probed(Probed::Accepted) => (Outcome::Ok, "observed"),
        Reply::Probed(Probed::Unknown) => (Outcome::Ambiguous, "observed"),
        Reply::Probed(Probed::Blocked | Probed::Rejected) => (Outcome::Rejected, "observed"),
        Reply::Retry | Reply::Held => (Outcome::Rejected, "transient"),
        Reply::Ambiguous | Reply::Lost => (Outcome::Ambiguous, "ambiguous"),
        Reply::Refused => (Outcome::Denied, "permanent"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_reply_words_and_remedy() {
        let transient = (Outcome::Rejected, "transient");
        let ambiguous = (Outcome::Ambiguous, "ambiguous");
        let permanent = (Outcome::Denied, "permanent");
        for (kind, machine, words, remedy) in [
            (
                ErrorKind::Unavailable,
                Reply::Retry,
                transient,
                Remedy::Wait,
            ),
            (ErrorKind::Throttled, Reply::Retry, transient, Remedy::Wait),
            (
                ErrorKind::Ambiguous,
                Reply::Ambiguous,
                ambiguous,
                Remedy::Wait,
            ),
            (
                ErrorKind::NotFound,
                Reply::Refused,
                permanent,
                Remedy::Person,
            ),
            (
                ErrorKind::SoftDeleted,
                Reply::Refused,
                permanent,
                Remedy::Person,
            ),
            (
                ErrorKind::Conflict,
                Reply::Refused,
                permanent,
                Remedy::Person,
            ),
            (
                ErrorKind::Denied,
                Reply::Refused,
                permanent,
                Remedy::Settings,
            ),
            (
                ErrorKind::Invalid,
                Reply::Refused,
                permanent,
                Remedy::Settings,
            ),
        ] {
            let found = (reply(kind), logged(reply(kind)), Remedy::of(kind));
            assert_eq!(found, (machine, words, remedy), "{kind:?}");
        }
    }
}
