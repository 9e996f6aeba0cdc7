//! `[providers.*]` at AWS, and what may be kept there.

use super::model::{AwsProvider, Kind, Provider, ProviderKind, Role, Secret, SsmProvider};
use super::read::{Reader, Section, join};
use super::words::is_url;

/// What both kinds say.
pub fn provider(reader: &mut Reader<'_>, section: &Section<'_>) -> AwsProvider {
    let mut check = |key: &str, sound: fn(&str) -> bool, what: &str, help: &str| {
        let text = section.text(key)?;
        if !sound(text) {
            let at = join(&section.at, key);
            reader.error(section.spot_of(key), &at, what, help);
        }
        Some(text.to_owned())
    };
    AwsProvider {
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
        kms_key_id: section.text("kms_key_id").map(str::to_owned),
    }
}

/// What Parameter Store says beside.
pub fn ssm(reader: &mut Reader<'_>, section: &Section<'_>) -> SsmProvider {
    SsmProvider {
        aws: provider(reader, section),
        advanced: section.text("tier") == Some("advanced"),
        writes_per_second: section.count("writes_per_second").unwrap_or(3),
    }
}

/// What AWS would refuse, and what it would lose.
pub fn secrets(reader: &mut Reader<'_>, providers: &[Provider], secrets: &[Secret]) {
    for secret in secrets {
        let at = join("secrets", &secret.name);
        for kept in secret.places() {
            let provider = providers.iter().find(|p| p.name == kept.provider);
            let problem = provider.and_then(|p| path_problem(&p.kind, kept.path));
            if let Some((what, help)) = problem {
                let at = format!("{at}{}", kept.role.key());
                reader.error(kept.spot, &join(&at, "path"), what, help);
            }
        }
        let Some(provider) = providers.iter().find(|p| p.name == secret.provider) else {
            continue;
        };
        let drawn = matches!(&secret.kind, Kind::Jwt(jwt) if !jwt.algorithm.is_asymmetric());
        let shown = secret.env.iter().any(|v| v.role == Role::Kid);
        if matches!(provider.kind, ProviderKind::SecretsManager(_)) && drawn && shown {
            let what = "shows a kid that Secrets Manager does not keep beside the key";
            let help = "keep it with a provider that keeps public parts (see `keyrota providers`), use ES256 or EdDSA, or remove env_kid";
            reader.error(secret.spot, &at, what, help);
        }
    }
}

/// How a place is compared with others: AWS knows `a/b` only as `/a/b`.
pub fn canonical<'p>(kind: &ProviderKind, path: &'p str) -> &'p str {
    match kind {
        ProviderKind::Ssm(_) => path.trim_start_matches('/'),
        _ => path,
    }
}

/// The account of a role, `arn:PARTITION:iam::ACCOUNT:role/NAME`.
pub fn account_of(role_arn: &str) -> Option<&str> {
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

fn is_region(text: &str) -> bool {
    let sound = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    text.split('-').count() >= 3 && text.split('-').all(sound)
}

/// AWS' rules for names; with Parameter Store's, those of the candidate's name below it.
fn path_problem(kind: &ProviderKind, path: &str) -> Option<(&'static str, &'static str)> {
    let only = |others: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
        path.chars().all(known)
    };
    match kind {
        ProviderKind::File(_) | ProviderKind::Vault(_) => None,
        // The same secret by its name would be another place to everything that compares them.
        ProviderKind::SecretsManager(_) if path.starts_with("arn:") => Some((
            "is an ARN, and the same secret has a name too: it would be two places",
            "write the secret's name, without the six characters that end its ARN",
        )),
        ProviderKind::SecretsManager(_) if !only("/_+=.@-!") || path.len() > 512 => Some((
            "is not a name that Secrets Manager takes",
            "use letters, digits and /_+=.@- only, at most 512",
        )),
        ProviderKind::SecretsManager(_) => None,
        ProviderKind::Ssm(_) => {
            let levels = path.trim_start_matches('/').split('/').count();
            let first = path.trim_start_matches('/').to_ascii_lowercase();
            if !only("/_.-") || path.len() > 900 || path.ends_with('/') || path.contains("//") {
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
    }
}
