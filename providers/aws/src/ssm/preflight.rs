//! Rights that only a later step would miss.
//!
//! AWS has no question for them, but it looks at the rights of a call before it looks at the rest: a
//! call that can never have an effect is denied, or fails for another reason.

use aws_sdk_ssm::types::ParameterType;
use keyrota_contract::ProviderError;

use super::history::{Slots, WINDOW};
use super::{SsmProvider, invalid, nothing_of};
use crate::error::{Doing, classify, passes};

/// A label that AWS does not take, and one that no version has.
const NO_LABEL: &str = "aws-keyrota";

impl SsmProvider {
    /// Every right of a rotation at `name`, but that to write the candidate: the first step misses it.
    pub(super) async fn may_rotate(&self, name: &str, slots: &Slots) -> Result<(), ProviderError> {
        if slots.named.latest().is_some_and(|current| current.expires) {
            // A new value does not move the date.
            return Err(invalid(
                "the parameter has an expiration policy: AWS will delete it with the current value in it; remove the policy",
            ));
        }
        let client = self.client().await;
        let delete = client.delete_parameter().name(nothing_of(name)).send();
        passes(delete.await.map_err(|e| classify(Doing::Looking, &e)))?;
        let Some(current) = slots.named.latest() else {
            // Nothing can be asked about what is not there; the first value replaces no other.
            return self.get(name).await.map(drop);
        };
        self.wait_for_turn().await?;
        // The parameter is there, and the value is none that the pattern takes: refused twice over.
        let put = client
            .put_parameter()
            .name(name)
            .r#type(ParameterType::SecureString)
            .overwrite(false)
            .allowed_pattern("^a$")
            .value("b")
            .send();
        passes(put.await.map_err(|e| classify(Doing::Looking, &e)))?;
        let label = client
            .label_parameter_version()
            .name(name)
            .parameter_version(current.number)
            .labels(NO_LABEL)
            .send();
        passes(label.await.map_err(|e| classify(Doing::Looking, &e)))?;
        if slots.named.versions.len().saturating_add(1) < WINDOW {
            return Ok(());
        }
        let unlabel = client
            .unlabel_parameter_version()
            .name(name)
            .parameter_version(current.number)
            .labels(NO_LABEL)
            .send();
        passes(unlabel.await.map_err(|e| classify(Doing::Looking, &e)))
    }
}
