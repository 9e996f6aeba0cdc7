//! `kind = "aws-secrets-manager"` and `kind = "aws-ssm"`.

use std::sync::Arc;

use keyrota_aws::ssm::WRITES_PER_SECOND;
use keyrota_aws::{AwsConfig, SecretsManagerProvider, SsmConfig, SsmProvider, Tier};

use crate::config::keys::{Key, Ty, may, must};
use crate::config::model::Reference;
use crate::config::read::{Reader, Section, join};
use crate::config::registry::rights::Giver;
use crate::config::registry::{BuildError, Building, Built, Problem, Settings, StoreKind};
use crate::config::words::is_url;

mod rights;

pub static SECRETS_MANAGER: StoreKind = StoreKind {
    word: "aws-secrets-manager",
    name: "Secrets Manager",
    keys: &[KEYS],
    capabilities: keyrota_aws::secrets_manager::CAPABILITIES,
    read: |reader, section, _| Arc::new(SecretsManager(account(reader, section))),
};

pub static PARAMETER_STORE: StoreKind = StoreKind {
    word: "aws-ssm",
    name: "Parameter Store",
    keys: &[KEYS, PARAMETER_STORE_KEYS],
    capabilities: keyrota_aws::ssm::CAPABILITIES,
    read: |reader, section, _| {
        Arc::new(ParameterStore {
            aws: account(reader, section),
            own: SsmConfig {
                tier: match section.text("tier") {
                    Some("advanced") => Tier::Advanced,
                    _ => Tier::Standard,
                },
                writes_per_second: section
                    .count("writes_per_second")
                    .unwrap_or(WRITES_PER_SECOND),
            },
        })
    },
};

/// What both kinds have.
const KEYS: &[Key] = &[
    must("region", Ty::Text, "The region, as eu-central-1."),
    may(
        "endpoint_url",
        Ty::Text,
        "Another address of the service: a VPC endpoint, a test server.",
    ),
    may(
        "profile",
        Ty::Text,
        "A profile of the shared configuration files; the default chain of credentials when absent.",
    ),
    may(
        "role_arn",
        Ty::Text,
        "A role to assume with those credentials.",
    ),
    may(
        "kms_key_id",
        Ty::Text,
        "The KMS key for what is made here; AWS' own key of the service when absent.",
    ),
];

/// What Parameter Store has beside.
const PARAMETER_STORE_KEYS: &[Key] = &[
    may(
        "tier",
        Ty::Word(&["standard", "advanced"]),
        "Up to 4 KiB, or up to 8 KiB at a charge; standard when absent.",
    ),
    may(
        "writes_per_second",
        Ty::Count(1, 1_000),
        "How many parameters AWS lets this account put in a second; 3 when absent.",
    ),
];

#[derive(Debug)]
struct SecretsManager(AwsConfig);

#[derive(Debug)]
struct ParameterStore {
    aws: AwsConfig,
    own: SsmConfig,
}

/// What both kinds say.
fn account(reader: &mut Reader<'_>, section: &Section<'_>) -> AwsConfig {
    let mut check = |key: &str, sound: fn(&str) -> bool, what: &str, help: &str| {
        let text = section.text(key)?;
        if !sound(text) {
            let at = join(&section.at, key);
            reader.error(section.spot_of(key), &at, what, help);
        }
        Some(text.to_owned())
    };
    AwsConfig {
        region: check(
            "region",
            is_region,
            "is not an AWS region",
            "write its name as AWS does, as in \"eu-central-1\"",
        )
        .unwrap_or_default(),
        endpoint_url: check(
            "endpoint_url",
            is_url,
            "has to be an https URL",
            "write https://host; http only for localhost",
        ),
        role_arn: check(
            "role_arn",
            |text| account_of(text).is_some(),
            "is not a role's ARN",
            "write it as arn:aws:iam::123456789012:role/name",
        ),
        profile: section.text("profile").map(str::to_owned),
        kms_key_id: check(
            "kms_key_id",
            is_key,
            "is not a KMS key",
            "write its id, alias/NAME, or the ARN of one of them",
        ),
    }
}

/// Two that answer the same are in one account, as far as the file shows: by the role's account, else
/// by the profile. Two profiles of one account are not seen through.
fn behind(aws: &AwsConfig) -> String {
    let account = role_account(aws).or(aws.profile.as_deref());
    let at = aws.endpoint_url.as_deref().unwrap_or_default();
    format!(
        "{} {} {}",
        aws.region,
        account.unwrap_or_default(),
        at.trim_end_matches('/')
    )
}

/// The account of its role, where it has one.
fn role_account(aws: &AwsConfig) -> Option<&str> {
    aws.role_arn.as_deref().and_then(account_of)
}

impl Settings for SecretsManager {
    fn place<'p>(&self, path: &'p str) -> (String, &'p str) {
        (behind(&self.0), path)
    }

    /// AWS' rules for names.
    fn path_problem(&self, path: &str) -> Option<Problem> {
        // The same secret by its name would be another place to everything that compares them.
        if path.starts_with("arn:") {
            return Some((
                "is an ARN, and the same secret has a name too: it would be two places",
                "write the secret's name, without the six characters that end its ARN",
            ));
        }
        let refused = !only("/_+=.@-!", path) || path.len() > 512;
        refused.then_some((
            "is not a name that Secrets Manager takes",
            "use letters, digits and /_+=.@- only, at most 512",
        ))
    }

    fn has_fields(&self) -> bool {
        false
    }

    fn inputs(&self) -> Vec<&Reference> {
        Vec::new()
    }

    fn rights(&self) -> Giver<'_> {
        Giver::Service(self)
    }

    fn build(&self, _: &Building<'_>) -> Result<Built, BuildError> {
        let provider = SecretsManagerProvider::new(self.0.clone());
        Ok(Built::Store(Arc::new(provider)))
    }
}

impl Settings for ParameterStore {
    /// AWS knows `a/b` only as `/a/b`.
    fn place<'p>(&self, path: &'p str) -> (String, &'p str) {
        (behind(&self.aws), path.trim_start_matches('/'))
    }

    /// AWS' rules for names, and those for the candidate's name below it.
    fn path_problem(&self, path: &str) -> Option<Problem> {
        let levels = path.trim_start_matches('/').split('/').count();
        let first = path.trim_start_matches('/').to_ascii_lowercase();
        if !only("/_.-", path) || path.len() > 900 || path.ends_with('/') || path.contains("//") {
            Some((
                "is not a name that Parameter Store takes",
                "use letters, digits and /_.- only, at most 900, no slash at the end",
            ))
        } else if first.starts_with("aws") || first.starts_with("ssm") {
            Some((
                "begins with aws or ssm, which AWS keeps for itself",
                "begin it with another word",
            ))
        } else if path.split('/').any(|level| level == ".keyrota") {
            Some((
                "has a level that keyrota keeps for candidates",
                "choose another word than .keyrota",
            ))
        } else if levels > 13 {
            Some((
                "has too many levels for Parameter Store",
                "use at most 13: keyrota adds two for the candidate, and AWS takes 15",
            ))
        } else {
            None
        }
    }

    fn has_fields(&self) -> bool {
        false
    }

    fn inputs(&self) -> Vec<&Reference> {
        Vec::new()
    }

    fn rights(&self) -> Giver<'_> {
        Giver::Service(self)
    }

    fn build(&self, _: &Building<'_>) -> Result<Built, BuildError> {
        let provider = SsmProvider::new(self.aws.clone(), self.own.clone());
        Ok(Built::Store(Arc::new(provider)))
    }
}

fn only(others: &str, path: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
    path.chars().all(known)
}

/// The account of a role, `arn:PARTITION:iam::ACCOUNT:role/NAME`.
fn account_of(role_arn: &str) -> Option<&str> {
    let mut parts = role_arn.splitn(6, ':');
    let begins = parts.next() == Some("arn")
        && parts.next().is_some_and(|p| p.starts_with("aws"))
        && parts.next() == Some("iam")
        && parts.next() == Some("");
    let account = parts.next()?;
    let digits = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    let role = parts.next()?.strip_prefix("role/")?;
    (begins && digits && !role.is_empty()).then_some(account)
}

/// An id, an alias, or the ARN of one of them: nothing that a policy takes for several.
fn is_key(text: &str) -> bool {
    let named = |name: &str| match name.strip_prefix("alias/") {
        Some(alias) => !alias.is_empty() && only("/_-", alias),
        None => !name.is_empty() && only("-", name),
    };
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    match parts[..] {
        [name] => named(name),
        ["arn", partition, "kms", region, account, name] => {
            partition.starts_with("aws")
                && only("-", partition)
                && is_region(region)
                && account.len() == 12
                && account.bytes().all(|b| b.is_ascii_digit())
                && match name.strip_prefix("key/") {
                    Some(id) => named(id) && !id.starts_with("alias/"),
                    None => name.starts_with("alias/") && named(name),
                }
        }
        _ => false,
    }
}

fn is_region(text: &str) -> bool {
    let sound = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    text.split('-').count() >= 3 && text.split('-').all(sound)
}
