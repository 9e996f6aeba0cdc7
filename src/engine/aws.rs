//! The providers of AWS, from the checked model. No I/O.

use std::sync::Arc;

use keyrota_aws::{AwsConfig, SecretsManagerProvider, SsmConfig, SsmProvider, Tier};

use crate::config::model;

pub(super) fn secrets_manager(aws: &model::AwsProvider) -> Arc<SecretsManagerProvider> {
    Arc::new(SecretsManagerProvider::new(reach(aws)))
}

pub(super) fn parameter_store(ssm: &model::SsmProvider) -> Arc<SsmProvider> {
    let own = SsmConfig {
        tier: match ssm.advanced {
            true => Tier::Advanced,
            false => Tier::Standard,
        },
        writes_per_second: ssm.writes_per_second,
    };
    Arc::new(SsmProvider::new(reach(&ssm.aws), own))
}

fn reach(aws: &model::AwsProvider) -> AwsConfig {
    AwsConfig {
        region: aws.region.clone(),
        endpoint_url: aws.endpoint_url.clone(),
        profile: aws.profile.clone(),
        role_arn: aws.role_arn.clone(),
        kms_key_id: aws.kms_key_id.clone(),
    }
}
