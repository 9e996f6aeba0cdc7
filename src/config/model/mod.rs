//! What a checked schedule says, in plain types: nothing here is raw text that still has to be
//! understood, every default is filled in, every relative path is resolved, and nothing is secret.

use std::path::PathBuf;

use jiff::tz::TimeZone;

mod consumer;
mod place;
mod secret;
mod target;

pub use consumer::*;
pub use place::*;
pub use secret::*;
pub use target::*;

/// One file `schedules/<name>.toml`.
#[derive(Debug, Clone)]
pub struct Environment {
    /// `development`, `staging`, `production`, …: the file's name without `.toml`.
    pub name: String,
    /// The file, as it was opened; diagnostics name it so.
    pub file: PathBuf,
    /// The parent of the schedules directory, absolute: relative paths in the file resolve from it.
    pub root: PathBuf,
    /// SHA-256 of the file's bytes, in lower-case hex: two hosts compare it.
    pub digest: String,
    /// The zone that schedules, windows and blackouts are read in.
    pub timezone: TimeZone,
    /// Its IANA name; `UTC` when the file names none.
    pub timezone_name: String,
    /// `[providers.*]`, in the file's order.
    pub providers: Vec<Provider>,
    /// `[secrets.*]`, in the file's order.
    pub secrets: Vec<Secret>,
    /// `[env.*]`: variables that programs need and keyrota does not make, in the file's order.
    pub boot: Vec<BootRule>,
    /// `[programs.*]`; empty: one program sees everything.
    pub programs: Vec<Program>,
}

/// Where something stands in its file, for problems that are found later.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub col: u32,
    /// First byte, from 0.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

/// Where a sensitive input is found. The file holds only this, never the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// `$CREDENTIALS_DIRECTORY/<name>`; the name has no slash in it.
    Credential(String),
    /// A file of mode 0600 or 0400 with the right owner.
    File(PathBuf),
    /// An environment variable.
    Env(String),
}

/// `[providers.<name>]`: keeps values.
#[derive(Debug, Clone)]
pub struct Provider {
    /// The name in this file.
    pub name: String,
    /// What it is.
    pub kind: ProviderKind,
    /// Where it stands.
    pub spot: Spot,
}

/// The providers that are built in.
#[derive(Debug, Clone)]
pub enum ProviderKind {
    /// One age-encrypted document.
    File(FileProvider),
    /// AWS Secrets Manager.
    SecretsManager(AwsProvider),
    /// AWS Systems Manager Parameter Store.
    Ssm(SsmProvider),
    /// HashiCorp Vault or OpenBao.
    Vault(VaultProvider),
}

impl ProviderKind {
    /// The document, where it is one.
    pub fn file(&self) -> Option<&FileProvider> {
        match self {
            Self::File(file) => Some(file),
            Self::SecretsManager(_) | Self::Ssm(_) | Self::Vault(_) => None,
        }
    }

    /// What it opens its own doors with.
    pub fn inputs(&self) -> Vec<&Reference> {
        match self {
            Self::File(file) => file.identity.iter().collect(),
            Self::SecretsManager(_) | Self::Ssm(_) => Vec::new(),
            Self::Vault(vault) => vault.auth.input().into_iter().collect(),
        }
    }

    /// What is behind it: two providers with the same answer keep the same values.
    pub fn store(&self) -> String {
        match self {
            Self::File(file) => format!("file {}", file.path.display()),
            Self::SecretsManager(aws) => format!("aws-secrets-manager {}", aws.store()),
            Self::Ssm(ssm) => format!("aws-ssm {}", ssm.aws.store()),
            Self::Vault(vault) => vault.store(),
        }
    }
}

/// `kind = "file"`.
#[derive(Debug, Clone)]
pub struct FileProvider {
    /// The document.
    pub path: PathBuf,
    /// Who can read it: `age1…`. Empty only in development: the recipient of the made identity.
    pub recipients: Vec<String>,
    /// The key that opens it. `None` only in development: made in `.keyrota/`.
    pub identity: Option<Reference>,
}

/// What both kinds at AWS have.
#[derive(Debug, Clone, Default)]
pub struct AwsProvider {
    /// The region.
    pub region: String,
    /// Another address of the service.
    pub endpoint_url: Option<String>,
    /// A profile of the shared configuration files.
    pub profile: Option<String>,
    /// A role to assume.
    pub role_arn: Option<String>,
    /// The KMS key for what is made here.
    pub kms_key_id: Option<String>,
}

impl AwsProvider {
    /// Two that answer the same are in one account, as far as the file shows: by the role's account,
    /// else by the profile. Two profiles of one account are not seen through.
    fn store(&self) -> String {
        let role = self.role_arn.as_deref();
        let account = role.and_then(super::aws::account_of);
        let account = account.or(self.profile.as_deref()).unwrap_or_default();
        let at = self.endpoint_url.as_deref().unwrap_or_default();
        format!("{} {account} {}", self.region, at.trim_end_matches('/'))
    }
}

/// `kind = "aws-ssm"`.
#[derive(Debug, Clone, Default)]
pub struct SsmProvider {
    /// Where, and as whom.
    pub aws: AwsProvider,
    /// Values of up to 8 KiB, at a charge.
    pub advanced: bool,
    /// How many parameters are put in a second at most.
    pub writes_per_second: u32,
}

/// `kind = "vault"`.
#[derive(Debug, Clone)]
pub struct VaultProvider {
    /// The server.
    pub address: String,
    /// The mount of a key/value engine.
    pub mount: String,
    /// The namespace of mount and login.
    pub namespace: Option<String>,
    /// The authorities that may vouch for the server; `None`: the system's.
    pub ca_file: Option<PathBuf>,
    /// How it logs in.
    pub auth: VaultAuth,
}

impl VaultProvider {
    /// Two names of one server are not seen through.
    fn store(&self) -> String {
        let address = self.address.trim_end_matches('/').to_ascii_lowercase();
        let address = address.strip_suffix(":443").unwrap_or(&address);
        let namespace = self.namespace.as_deref().unwrap_or_default();
        format!(
            "vault {address} {} {}",
            namespace.trim_matches('/'),
            self.mount
        )
    }
}

/// How a provider logs in to Vault.
#[derive(Debug, Clone)]
pub enum VaultAuth {
    /// With a token that there is already.
    Token(Reference),
    /// By the method `approle`.
    AppRole {
        /// Where it is mounted.
        mount: String,
        /// The role's id.
        role_id: String,
        /// The secret half.
        secret_id: Reference,
    },
    /// By the methods `jwt` and `kubernetes`.
    Jwt {
        /// Where it is mounted.
        mount: String,
        /// The role's name.
        role: String,
        /// The file with the signed token.
        jwt_file: PathBuf,
    },
}

impl VaultAuth {
    fn input(&self) -> Option<&Reference> {
        match self {
            Self::Token(input)
            | Self::AppRole {
                secret_id: input, ..
            } => Some(input),
            Self::Jwt { .. } => None,
        }
    }
}

/// `[env.<NAME>]`: a variable that must be right at boot and is not keyrota's to make.
#[derive(Debug, Clone, Default)]
pub struct BootRule {
    /// The variable.
    pub variable: String,
    /// What it looks like, as a word of the gate (`url`, `integer`, `port`, …).
    pub format: Option<String>,
    /// Schemes a URL may have; empty: any.
    pub schemes: Vec<String>,
    /// The least length in characters.
    pub min_length: Option<u32>,
    /// All values it may have; empty: any.
    pub one_of: Vec<String>,
    /// A regular expression the whole value matches.
    pub pattern: Option<String>,
    /// When it has to be there.
    pub required: Required,
    /// It must not be there.
    pub forbidden: bool,
    /// Used by `run` when it is absent.
    pub default: Option<String>,
    /// Where it stands.
    pub spot: Spot,
}

/// When a variable has to be there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Required {
    /// Always.
    #[default]
    Always,
    /// Never.
    Optional,
    /// When another variable is there, and has this value if one is given.
    If {
        /// The other variable.
        variable: String,
        /// The value it has to have; `None`: any.
        equals: Option<String>,
    },
}

/// `[programs.<name>]`.
#[derive(Debug, Clone)]
pub struct Program {
    /// The name in this file.
    pub name: String,
    /// The variables it may see, each known to this environment.
    pub env: Vec<String>,
    /// Where it stands.
    pub spot: Spot,
}

/// `keyrota.toml`: this host. `None` is "not said here": flags, variables and defaults follow.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// This host's name.
    pub host: Option<String>,
    /// The directory of the schedules.
    pub schedules: Option<PathBuf>,
    /// Where the state is: a path or a `postgres://` URL without a password.
    pub state: Option<String>,
    /// The state database's password.
    pub state_password: Option<Reference>,
    /// The authorities that may vouch for the state database.
    pub state_ca_file: Option<PathBuf>,
    /// The seed of this host's keys.
    pub keys: Option<Reference>,
    /// The directory for checkpoints outside the state.
    pub checkpoints: Option<PathBuf>,
}
