//! What came of an effect, in the machine's words.

use keyrota_contract::{DeliveryError, Native, ProviderError, Public, RotatorError};
use keyrota_rotation::{Probed, Reply, Round};

use super::{EngineError, failure};

/// What came of an effect, and what is now known.
#[derive(Debug)]
pub(super) struct Performed {
    pub reply: Reply,
    /// Why it is not `Done`: a fixed sentence.
    pub failure: Option<&'static str>,
    /// The target turned a login of the secret's account away.
    pub turned_away: bool,
    /// A promote was refused before it changed anything.
    pub unchanged: bool,
    pub learnt: Learnt,
}

/// What an effect brings to light beside its reply.
#[derive(Debug, Default)]
pub(super) enum Learnt {
    #[default]
    Nothing,
    /// Preflight: what is current.
    Base {
        native: Option<Native>,
        fingerprint: Option<String>,
        /// A server that was seen to refuse a wrong value: the fact's name, and when.
        refuses: Option<(String, String)>,
    },
    /// The candidate stands in the provider.
    Candidate { fingerprint: String, public: Public },
    /// It is current; the provider's name for it.
    Promoted { native: Native },
    /// A consumer has seen this.
    Acknowledged {
        consumer: String,
        round: Round,
        exposure_fp: String,
    },
}

impl Performed {
    pub(super) fn done(learnt: Learnt) -> Self {
        Self {
            reply: Reply::Done,
            failure: None,
            turned_away: false,
            unchanged: false,
            learnt,
        }
    }

    pub(super) fn failed(reply: Reply, failure: &'static str) -> Self {
        Self {
            reply,
            failure: Some(failure),
            turned_away: false,
            unchanged: false,
            learnt: Learnt::Nothing,
        }
    }

    /// What an effect has to know cannot be read, in the state or in a provider.
    pub(super) fn unread(why: EngineError) -> Self {
        match why {
            EngineError::Provider(why) => why.into(),
            _ => Self::failed(Reply::Retry, "the state cannot be read"),
        }
    }

    /// A promote that failed before the switch: what was refused changed nothing.
    pub(super) fn before_switch(self) -> Self {
        Self {
            unchanged: self.reply == Reply::Refused,
            ..self
        }
    }

    pub(super) fn probed(probed: Probed, failure: &'static str) -> Self {
        let failure = (probed != Probed::Accepted).then_some(failure);
        Self {
            reply: Reply::Probed(probed),
            failure,
            turned_away: probed == Probed::Rejected,
            unchanged: false,
            learnt: Learnt::Nothing,
        }
    }
}

impl From<ProviderError> for Performed {
    fn from(e: ProviderError) -> Self {
        Self::failed(failure::reply(e.kind), e.context)
    }
}

impl From<RotatorError> for Performed {
    fn from(e: RotatorError) -> Self {
        match e {
            RotatorError::Retry(why) => Self::failed(Reply::Retry, why),
            RotatorError::Held(why) => Self::failed(Reply::Held, why),
            RotatorError::Ambiguous(why) => Self::failed(Reply::Ambiguous, why),
            RotatorError::Refused(why) => Self::failed(Reply::Refused, why),
            RotatorError::Rejected(why) => Self {
                turned_away: true,
                ..Self::failed(Reply::Refused, why)
            },
        }
    }
}

impl From<DeliveryError> for Performed {
    fn from(e: DeliveryError) -> Self {
        match e {
            DeliveryError::Retry(why) => Self::failed(Reply::Retry, why),
            DeliveryError::Refused(why) => Self::failed(Reply::Refused, why),
        }
    }
}

#[cfg(test)]
mod tests {
    use keyrota_contract::{ErrorKind, lag};

    use super::*;
    use crate::state::StateError;

    #[test]
    fn only_a_store_that_lags_is_reported_as_lag() {
        let denied = ProviderError::new(ErrorKind::Denied, "a right is missing");
        for (why, reply, says) in [
            (lag::LAGS.into(), Reply::Retry, lag::LAGS.context),
            (denied.into(), Reply::Refused, "a right is missing"),
            (
                StateError::Missing.into(),
                Reply::Retry,
                "the state cannot be read",
            ),
        ] {
            let performed = Performed::unread(why);
            assert_eq!((performed.reply, performed.failure), (reply, Some(says)));
        }
    }
}
