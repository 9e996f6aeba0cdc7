//! How AWS is reached, and as whom.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;

use crate::who::Who;

/// A call, with the credentials it may have to fetch, takes no longer. Several of them, one after
/// the other, fit into the half minute that keyrota gives an effect.
const CALL_MAX: Duration = Duration::from_secs(7);
const CONNECT_MAX: Duration = Duration::from_secs(3);

/// Where AWS is, and who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AwsConfig {
    /// The region. Stated, never taken from the environment: it decides which secret is meant.
    pub region: String,
    /// Another address of the service: a VPC endpoint, a test server. Roles are still assumed at
    /// AWS' own address of STS (or `AWS_ENDPOINT_URL_STS`).
    pub endpoint_url: Option<String>,
    /// A profile of the shared configuration files, and nobody else, whatever the environment says;
    /// the default chain of credentials otherwise.
    pub profile: Option<String>,
    /// A role to assume with those credentials.
    pub role_arn: Option<String>,
    /// The KMS key for what is made here; AWS' own key of the service otherwise.
    pub kms_key_id: Option<String>,
}

/// Who asks, if not whoever the environment and the files name.
#[derive(Clone, Default)]
pub(crate) struct Given(Option<SharedCredentialsProvider>);

impl Given {
    /// A key given in code, for tests.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn key(id: &str, secret: &str, token: Option<&str>) -> Self {
        let key = aws_credential_types::Credentials::new(
            id,
            secret,
            token.map(str::to_owned),
            None,
            "given",
        );
        Self(Some(SharedCredentialsProvider::new(key)))
    }
}

/// Reads the environment and the shared configuration files. Nothing is sent: credentials are
/// fetched by the first call that needs them, and again before they expire.
pub(crate) async fn load(config: &AwsConfig, given: &Given) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .region(Region::new(config.region.clone()))
        .retry_config(RetryConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_MAX)
                .operation_timeout(CALL_MAX)
                .build(),
        );
    if let Some(profile) = &config.profile {
        loader = loader.profile_name(profile);
    }
    loader = match &given.0 {
        Some(key) => loader.credentials_provider(key.clone()),
        None => {
            let region = Region::new(config.region.clone());
            loader.credentials_provider(Who::new(config.profile.clone(), region))
        }
    };
    let sdk = loader.load().await;
    let Some(role) = &config.role_arn else {
        return sdk;
    };
    let role = AssumeRoleProvider::builder(role)
        .session_name("keyrota")
        .configure(&sdk);
    let role = match sdk.credentials_provider() {
        Some(base) => role.build_from_provider(base).await,
        None => role.build().await,
    };
    sdk.into_builder()
        .credentials_provider(SharedCredentialsProvider::new(role))
        .build()
}
