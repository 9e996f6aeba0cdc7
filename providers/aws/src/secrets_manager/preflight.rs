//! Rights that only a later step would miss.
//!
//! AWS has no question for them, but it looks at the rights of a call before it looks at the rest: a
//! call that can never have an effect is denied, or fails for another reason.

use keyrota_contract::{ProviderError, Stage};

use super::SecretsManagerProvider;
use super::labels::CURRENT;
use crate::error::{Doing, classify, passes};

/// No version has this id, and no version this label.
const NO_VERSION: &str = "00000000-0000-0000-0000-000000000000";
const NO_LABEL: &str = "KEYROTA_NOTHING";

impl SecretsManagerProvider {
    /// Whether the value may be read: it is what makes sure of every step. Where nothing stands yet,
    /// only its maker would miss it, after the value became current.
    pub(super) async fn may_read(&self, at: &str) -> Result<(), ProviderError> {
        self.get_stage(at, CURRENT, Stage::Current).await.map(drop)
    }

    /// Whether labels may be moved: taking the candidate away and making it current both need it.
    pub(super) async fn may_relabel(&self, at: &str) -> Result<(), ProviderError> {
        let request = self
            .client()
            .await
            .update_secret_version_stage()
            .secret_id(at)
            .version_stage(NO_LABEL)
            .remove_from_version_id(NO_VERSION);
        passes(
            request
                .send()
                .await
                .map_err(|e| classify(Doing::Looking, &e)),
        )
    }
}
