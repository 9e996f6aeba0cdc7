//! Which rights a provider has to give, and for what. Pure.
//!
//! `keyrota policy` prints them as a policy, `keyrota plan --setup` in words: both from here.

use super::{aws, vault};
use crate::config::gate_rules::sees;
use crate::config::model::{
    Environment, Kept, Kind, PlaceRole, Program, Provider, ProviderKind, Secret,
};

/// Who is given the rights.
#[derive(Debug, Clone, Copy)]
pub enum Use<'a> {
    /// Whoever rotates: the daemon, `keyrota rotate`.
    Rotate,
    /// A person who also stores the values of `external` secrets, with `keyrota import`.
    Import,
    /// Whoever only starts a program, or one of several, with `keyrota run`.
    Read(Option<&'a Program>),
}

/// What a right is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// To know oneself what may be done, and for how long.
    Own,
    /// To see what stands there.
    Look,
    /// To see the candidate, where it stands apart.
    LookCandidate,
    /// To open with a key of one's own.
    LookKey,
    /// To make what is not there yet.
    First,
    /// To write the candidate.
    Create,
    /// To close with a key of one's own.
    CreateKey,
    /// To take the candidate away.
    Undo,
    /// To make it current.
    Finish,
    /// To end the old value.
    Retire,
}

impl Purpose {
    /// The word for it: of letters only, as AWS takes them.
    pub fn word(self) -> &'static str {
        match self {
            Self::Own => "Own",
            Self::Look => "Look",
            Self::LookCandidate => "LookCandidate",
            Self::LookKey => "LookKey",
            Self::First => "First",
            Self::Create => "Create",
            Self::CreateKey => "CreateKey",
            Self::Undo => "Undo",
            Self::Finish => "Finish",
            Self::Retire => "Retire",
        }
    }

    /// For whoever reads a policy.
    pub fn why(self) -> &'static str {
        match self {
            Self::Own => "asks what it may do, and renews its token",
            Self::Look | Self::LookCandidate => "sees what stands there",
            Self::LookKey => "opens it with the key of kms_key_id",
            Self::First => "makes the first value",
            Self::Create => "writes the new value",
            Self::CreateKey => "closes it with the key of kms_key_id",
            Self::Undo => "takes the new value away",
            Self::Finish => "makes it current",
            Self::Retire => "ends the old value",
        }
    }
}

/// One action on one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Right {
    /// For what.
    pub purpose: Purpose,
    /// `secretsmanager:PutSecretValue`, `update`.
    pub action: &'static str,
    /// An ARN, or a path of Vault's.
    pub on: String,
    /// Only for requests that are so.
    pub only: Vec<Only>,
}

/// A condition of AWS'.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Only {
    /// `StringEquals`.
    pub test: &'static str,
    /// `kms:ViaService`.
    pub key: &'static str,
    /// What it is compared with.
    pub value: String,
}

impl Right {
    pub fn new(purpose: Purpose, action: &'static str, on: impl Into<String>) -> Self {
        Self {
            purpose,
            action,
            on: on.into(),
            only: Vec::new(),
        }
    }
}

/// A place that `whom` touches at a provider.
pub struct Touched<'s> {
    /// Whose.
    pub secret: &'s str,
    /// The path there.
    pub path: &'s str,
    /// Whether something is written there.
    pub written: bool,
}

/// Of these secrets, the places that `whom` touches at this provider: copies too, which nobody reads
/// back for a program.
pub fn touched<'s>(provider: &Provider, secrets: &[&'s Secret], whom: Use<'_>) -> Vec<Touched<'s>> {
    let of = |secret: &&'s Secret, kept: Kept<'s>| {
        let own = kept.role == PlaceRole::Own;
        let external = matches!(secret.kind, Kind::External(_));
        let written = match whom {
            Use::Rotate => Some(!external),
            Use::Import => Some(true),
            Use::Read(program) => {
                let shown = own && secret.env.iter().any(|v| sees(program, &v.name));
                shown.then_some(false)
            }
        };
        written.map(|written| Touched {
            secret: &secret.name,
            path: kept.path,
            written,
        })
    };
    let places = |secret: &&'s Secret| {
        let secret: &'s Secret = secret;
        secret.places().map(move |kept| (secret, kept))
    };
    let all = secrets.iter().flat_map(places);
    let here = all.filter(|(_, kept)| kept.provider == provider.name);
    here.filter_map(|(secret, kept)| of(&secret, kept))
        .collect()
}

/// What `whom` needs from this provider, in the order of the steps. Nothing for a file: that is the
/// system's to give.
pub fn rights(
    provider: &Provider,
    secrets: &[&Secret],
    whom: Use<'_>,
    account: &str,
) -> Vec<Right> {
    let touched = touched(provider, secrets, whom);
    if touched.is_empty() {
        return Vec::new();
    }
    match &provider.kind {
        ProviderKind::File(_) => Vec::new(),
        ProviderKind::SecretsManager(aws) => aws::secrets_manager(aws, account, &touched),
        ProviderKind::Ssm(ssm) => aws::parameter_store(ssm, account, &touched),
        ProviderKind::Vault(vault) => vault::rights(vault, &touched, matches!(whom, Use::Read(_))),
    }
}

/// Actions in the order of the steps, each once, with what they are on: as `plan --setup` says them.
pub fn in_words(env: &Environment, provider: &Provider, secrets: &[&Secret]) -> Vec<String> {
    let account = aws::account_of_role(&provider.kind).unwrap_or(aws::ANY_ACCOUNT);
    let all = rights(provider, secrets, Use::Rotate, account);
    let words = match &provider.kind {
        ProviderKind::File(_) => Vec::new(),
        ProviderKind::SecretsManager(_) | ProviderKind::Ssm(_) => aws::in_words(&all),
        ProviderKind::Vault(_) => vault::in_words(&all),
    };
    let printed = format!(
        "its policy: keyrota --env {} policy --provider {}",
        env.name, provider.name
    );
    match words.is_empty() {
        true => words,
        false => words.into_iter().chain([printed]).collect(),
    }
}

/// Each once, in the order of their first sight.
pub fn once<T: PartialEq>(all: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for one in all {
        if !seen.contains(&one) {
            seen.push(one);
        }
    }
    seen
}
