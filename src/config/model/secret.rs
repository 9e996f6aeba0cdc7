//! Secrets: what they are, when their turn comes, how long they wait, what a program sees of them.

use std::path::PathBuf;
use std::time::Duration;

use jiff::{Timestamp, civil};

use super::{CommandRotator, Consumer, CopyTo, Database, EnvVar, FallbackPlace, Spot};

/// `[secrets.<name>]`.
#[derive(Debug, Clone)]
pub struct Secret {
    /// The name in this file.
    pub name: String,
    /// What it is, and what only that kind has.
    pub kind: Kind,
    /// The provider that keeps it; one of [`Environment::providers`].
    pub provider: String,
    /// Its path there, `{environment}` and `{secret}` filled in.
    pub path: String,
    /// Which field of what stands at the path, where it has several.
    pub field: Option<String>,
    /// When its turn comes.
    pub turn: TurnPolicy,
    /// How long each wait of a rotation is.
    pub waits: Waits,
    /// Whether a pending key is shown to its verifiers before it is used.
    pub announce: bool,
    /// A person must act after the switch before the grace starts.
    pub confirm: Option<Confirm>,
    /// Older than this is reported (at 80 % and at the limit).
    pub max_age: Option<Duration>,
    /// What `rotate` does when the provider holds nothing yet.
    pub when_absent: WhenAbsent,
    /// Only its issuer makes it: keyrota takes it from a person and never mints it.
    pub imported: bool,
    /// The variables a program sees of it: values first, then kid, then fallback.
    pub env: Vec<EnvVar>,
    /// Further places that follow it.
    pub copies: Vec<CopyTo>,
    /// A place beside it that holds what readers accept as well.
    pub fallback: Option<FallbackPlace>,
    /// Who is told, in this order.
    pub consumers: Vec<Consumer>,
    /// Where it stands.
    pub spot: Spot,
}

/// When a secret's turn comes.
#[derive(Debug, Clone, Default)]
pub struct TurnPolicy {
    /// Five fields or an `@` name, checked by `turns::Schedule::parse`; `None`: only when asked.
    pub schedule: Option<String>,
    /// No turn before this moment.
    pub not_before: Option<Timestamp>,
    /// Rotations begin only inside it.
    pub window: Option<Window>,
    /// Rotations never begin inside these.
    pub blackouts: Vec<Blackout>,
    /// Each turn is put off by a fixed share of this, to spread secrets.
    pub jitter: Duration,
}

/// A daily half-open span of civil time; crosses midnight when `to` is not after `from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First moment inside.
    pub from: civil::Time,
    /// First moment outside.
    pub to: civil::Time,
}

/// A half-open span of civil time in the environment's zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blackout {
    /// First moment inside.
    pub from: civil::DateTime,
    /// First moment outside.
    pub to: civil::DateTime,
}

/// How long each wait of a rotation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// From the last acknowledged announcement until the key may be used.
    pub settle: Duration,
    /// Whether `settle` was written in the file or follows from the other sums.
    pub settle_from: Source,
    /// From the last acknowledged switch until the old value dies.
    pub grace: Duration,
    /// Whether `grace` was written in the file or follows from the other sums.
    pub grace_from: Source,
    /// Until every reader surely re-read a changed value.
    pub refresh: Duration,
    /// How far two clocks may differ.
    pub skew: Duration,
}

/// Where a number comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The file states it.
    Stated,
    /// It follows from what the file states: by this sum, in the file's words.
    Derived(&'static str),
}

/// What a secret is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A key that signs JSON web tokens.
    Jwt(Jwt),
    /// A symmetric key that signs anything else.
    SigningKey(SigningKey),
    /// A random token.
    Random(Random),
    /// The credentials of a Postgres database.
    Postgres(Database),
    /// The credentials of a MySQL or MariaDB database.
    Mysql(Database),
    /// Whatever a program changes.
    Command(CommandRotator),
    /// Kept and checked, made by others.
    External(External),
}

impl Kind {
    /// The word in the file.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Jwt(_) => "jwt",
            Self::SigningKey(_) => "signing-key",
            Self::Random(_) => "random",
            Self::Postgres(_) => "postgres",
            Self::Mysql(_) => "mysql",
            Self::Command(_) => "command",
            Self::External(_) => "external",
        }
    }

    /// What is changed in a database, for the kinds that are kept in one.
    pub fn database(&self) -> Option<&Database> {
        match self {
            Self::Postgres(database) | Self::Mysql(database) => Some(database),
            _ => None,
        }
    }

    /// The `external` secrets that its rotation needs.
    pub fn uses(&self) -> &[String] {
        match self {
            Self::Postgres(database) | Self::Mysql(database) => database.admin.as_slice(),
            Self::Command(command) => &command.uses,
            _ => &[],
        }
    }

    /// Whether its preflight tries the value itself before it needs one of [`uses`](Self::uses).
    pub fn tries_value_first(&self) -> bool {
        matches!(self, Self::Mysql(_))
    }
}

/// `kind = "jwt"`.
#[derive(Debug, Clone)]
pub struct Jwt {
    /// The `alg` of its tokens.
    pub algorithm: Algorithm,
    /// How the private key is written.
    pub format: JwtFormat,
    /// HS256 only: the key's length in bytes (32 or more); 0 otherwise.
    pub bytes: u32,
    /// RS256 only: the modulus' length in bits (2048 or more); 0 otherwise.
    pub bits: u32,
    /// The longest life of a token it signs.
    pub token_ttl: Duration,
    /// How long verifiers may keep the public set; zero for HS256.
    pub jwks_max_age: Duration,
    /// Where verifiers read the public set: settle begins when the kid is seen there.
    pub jwks_url: Option<String>,
    /// The authorities that may vouch for that server; `None`: the system's.
    pub jwks_ca_file: Option<PathBuf>,
    /// Whether `jwks_url` may lead to this host or a private network.
    pub jwks_private: bool,
    /// HS256 without a fallback: living tokens die at the switch, and the file says so.
    pub accept_invalidation: bool,
}

/// RFC 7518 and RFC 8037 names of signature algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// The word in the file and in a token's header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Whether verifiers hold another key than the signer.
    pub fn is_asymmetric(self) -> bool {
        self != Self::Hs256
    }
}

/// How a JWT key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwtFormat {
    /// PKCS#8 in PEM.
    Pem,
    /// A private JWK, as JSON.
    Jwk,
    /// The text itself is the key; HS256 only.
    Raw,
}

/// `kind = "signing-key"`.
#[derive(Debug, Clone)]
pub struct SigningKey {
    /// Random bytes before encoding (16 or more).
    pub bytes: u32,
    /// How they are written.
    pub encoding: Encoding,
    /// Fixed text before them; empty if none.
    pub prefix: String,
    /// Who checks signatures.
    pub verifiers: Verifiers,
    /// How long a signature may still be presented; zero if the file does not say.
    pub signature_ttl: Duration,
}

/// How bytes are written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Lower-case hex.
    Hex,
    /// RFC 4648 §4, padded.
    Base64,
    /// RFC 4648 §5, without padding.
    Base64Url,
}

/// Who checks signatures of a signing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verifiers {
    /// Readers that accept both the current and the fallback variable.
    Fallback,
    /// The one process that also signs.
    SelfOnly,
}

/// `kind = "random"`.
#[derive(Debug, Clone)]
pub struct Random {
    /// Characters.
    pub length: u32,
    /// The characters it is drawn from, expanded: ASCII, each once, sorted.
    pub alphabet: Vec<u8>,
}

/// `kind = "external"`.
#[derive(Debug, Clone)]
pub struct External {
    /// What the value looks like.
    pub format: ExternalFormat,
    /// The least length in bytes; 0: not stated.
    pub min_bytes: u32,
}

/// What an external value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExternalFormat {
    /// Anything; `{value}` is all of it.
    Raw,
    /// A URL.
    Url,
    /// A JSON object; its members are `{member}`.
    Json,
    /// The object Amazon RDS writes: `{username}`, `{password}`, `{host}`, `{port}`, …
    RdsJson,
}

/// `confirm = { after = "switch", ask = "…" }`: there is no other place to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirm {
    /// What the person has to do, in the file's words.
    pub ask: String,
}

/// What `rotate` does when the provider holds no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenAbsent {
    /// Make the first one.
    Create,
    /// Refuse, and name `keyrota import`.
    Refuse,
}
