//! Rights on what a provider keeps: who gives them, and in which language. Pure.

use serde_json::Value;

/// Who gives the rights on what a provider keeps.
pub enum Giver<'a> {
    /// The system that keyrota runs on.
    System {
        /// Which rights, as the rest of a sentence about the provider.
        rights: String,
        /// What there has to be before the first rotation.
        setup: Vec<String>,
    },
    /// The service, by a policy.
    Service(&'a dyn Policy),
}

/// A service's rights and its language for them.
pub trait Policy {
    /// What the language is called.
    fn language(&self) -> &'static str;

    /// Why no policy says just this.
    fn refusal(&self, asked: &Asked<'_>) -> Option<String>;

    /// What the service has to allow, in the order of the steps.
    fn rights(&self, asked: &Asked<'_>) -> Vec<Right>;

    /// A policy that gives these rights and no others.
    fn document(&self, rights: &[Right]) -> Document;

    /// The same for people, a line each.
    fn in_words(&self, rights: &[Right]) -> Vec<String>;
}

/// For what rights are asked.
pub struct Asked<'a> {
    /// The provider's name in the file.
    pub provider: &'a str,
    /// The places that are touched; none: then no right is needed.
    pub places: Vec<Touched<'a>>,
    /// Nothing is asked for but to read, with no look at the rights before.
    pub reads: bool,
    /// The AWS account that a person named.
    pub account: Option<&'a str>,
}

/// A place that is touched at a provider.
pub struct Touched<'s> {
    /// Whose.
    pub secret: &'s str,
    /// The path there.
    pub path: &'s str,
    /// Whether something is written there.
    pub written: bool,
}

/// A policy.
pub struct Document {
    /// As the service takes it.
    pub text: String,
    /// The same inside other JSON.
    pub json: Value,
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
            Self::Look | Self::LookCandidate => "reads what is stored",
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
    /// Without a condition.
    pub fn new(purpose: Purpose, action: &'static str, on: impl Into<String>) -> Self {
        Self {
            purpose,
            action,
            on: on.into(),
            only: Vec::new(),
        }
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
