//! What describes a kind of secret: its word, its keys, what the rest of keyrota has to know of one that
//! has been read, and how its rotator is built.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keyrota_contract::Rotator;
use keyrota_gate::{KeyForm, Rule};

use super::super::keys::Key;
use super::super::read::{Reader, Section};
use super::super::values::Spot;

/// A kind of secret, before any file is read.
#[derive(Debug)]
pub struct SecretKind {
    /// What stands at `kind`.
    pub word: &'static str,
    /// Its keys, beside those that every secret has.
    pub keys: &'static [&'static [Key]],
    /// Reads a section that has these keys, each of the right type. What is wrong is told to the
    /// reader, and what is returned then is never used. No I/O.
    pub read: fn(&mut Reader<'_>, &Section<'_>, &ReadingSecret<'_>) -> SecretRead,
}

/// What stands around the keys of a kind.
pub struct ReadingSecret<'a> {
    /// Relative paths in the file resolve from it.
    pub root: &'a Path,
    /// Whether readers are shown a second value, in a variable or at a place.
    pub fallback: bool,
    /// Whether only its issuer makes it (`origin = "imported"`).
    pub imported: bool,
}

/// A secret that has been read.
#[derive(Debug, Clone)]
pub struct SecretRead {
    /// What the rest of keyrota has to know of it.
    pub facts: SecretFacts,
    /// What its rotator is built from.
    pub settings: Arc<dyn SecretSettings>,
}

/// What the rotator of a secret is built from.
pub trait SecretSettings: fmt::Debug + Send + Sync {
    /// Makes the rotator. No I/O: whether it can work shows in its preflight.
    ///
    /// # Errors
    /// A sentence about the settings that no reader of files lets through.
    fn build(&self, how: &BuildingSecret<'_>) -> Result<Box<dyn Rotator>, &'static str>;

    /// What an administrator runs once in the server of this secret, comments included; empty for
    /// kinds without a server. `owner`: the application changes its own tables.
    fn setup(&self, owner: bool) -> Vec<String>;
}

/// Why a rotator is not built. A reader of files refuses such settings before.
pub const NOT_TAKEN: &str = "the kind does not take these settings";

/// What a rotator is built for.
pub struct BuildingSecret<'a> {
    /// The environment.
    pub environment: &'a str,
    /// The secret's name in the file.
    pub secret: &'a str,
    /// Where a program may be locked: a directory of this host, if no other one shares the state.
    pub locks: Option<&'a Path>,
}

/// What the rest of keyrota has to know of a secret.
#[derive(Debug, Clone)]
pub struct SecretFacts {
    /// The fields that templates may name; empty: whatever members the value turns out to have.
    pub fields: &'static [&'static str],
    /// How many lines its values have.
    pub lines: Lines,
    /// Who makes its values.
    pub maker: Maker,
    /// Whether a new value is shown to those who verify before it is used.
    pub announce: bool,
    /// The longest of these is the least settle.
    pub settle: Vec<Sum>,
    /// The least grace.
    pub grace: Sum,
    /// The grace of a file that states none, if the sum is not longer.
    pub grace_usual: Option<Duration>,
    /// What the gate asks of a variable that holds a whole value.
    pub rule: Rule,
    /// The key that it is, if it is one that tokens name by its id.
    pub key: Option<KeyFacts>,
    /// Where verifiers read its public key.
    pub published: Option<PublicSet>,
    /// How long verifiers may keep what they read there.
    pub published_max_age: Duration,
    /// The accounts of servers that it changes: two that are equal are one account.
    pub accounts: Vec<String>,
    /// The secrets that its rotation needs.
    pub uses: Vec<Use>,
    /// Whether its preflight tries the value itself before it needs one of `uses`.
    pub tries_value_first: bool,
    /// How long one call of its program may take, if a program changes it.
    pub program: Option<Duration>,
}

impl SecretFacts {
    /// Of a kind that keyrota makes, of one line, without a server, verifiers or a usual grace.
    /// `rule`: what the gate asks of its value.
    pub fn new(fields: &'static [&'static str], rule: Rule) -> Self {
        Self {
            fields,
            lines: Lines::One,
            maker: Maker::Keyrota,
            announce: false,
            settle: Vec::new(),
            grace: Sum::REFRESH,
            grace_usual: None,
            rule,
            key: None,
            published: None,
            published_max_age: Duration::ZERO,
            accounts: Vec::new(),
            uses: Vec::new(),
            tries_value_first: false,
            program: None,
        }
    }

    /// Whether keyrota ever gives it a new value.
    pub fn rotates(&self) -> bool {
        self.maker != Maker::Others
    }

    /// Whether verifiers hold a public half of it.
    pub fn has_public_key(&self) -> bool {
        self.key.is_some_and(|key| key.is_asymmetric)
    }

    /// Whether its rotation needs the secret of this name.
    pub fn needs(&self, secret: &str) -> bool {
        self.uses.iter().any(|used| used.secret == secret)
    }
}

/// How many lines a value has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// One.
    One,
    /// One or several, as its issuer writes it.
    Any,
    /// Several: a PEM key.
    Several,
}

/// Who makes the values of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// keyrota, the first one too.
    Keyrota,
    /// keyrota, all but the first one, which its server has already.
    KeyrotaAfterFirst,
    /// Others: keyrota stores it and checks it.
    Others,
}

/// A key that tokens name by its id (RFC 7517, `kid`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyFacts {
    /// Whether verifiers hold another half of it than the signer. The id follows from it then.
    pub is_asymmetric: bool,
    /// How it is written; `None`: its bytes as they are.
    pub form: Option<KeyForm>,
}

/// Where verifiers read the public key set.
#[derive(Debug, Clone)]
pub struct PublicSet {
    /// An https address.
    pub url: String,
    /// The authorities that may vouch for that server; `None`: the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether the address may lead to this host or a private network.
    pub private: bool,
}

/// A secret that the rotation of another one needs.
#[derive(Debug, Clone)]
pub struct Use {
    /// Its name.
    pub secret: String,
    /// The key of the file that names it.
    pub key: &'static str,
    /// Where that stands.
    pub spot: Spot,
    /// Whether there has to be a user name in it.
    pub has_user: bool,
}

/// A least wait: a sum, in the file's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// As in `token_ttl + refresh + skew`.
    pub words: &'static str,
    /// What is in it beside `refresh` and `skew`.
    pub fixed: Duration,
    /// Whether `refresh` is in it.
    pub refresh: bool,
    /// Whether `skew` is in it.
    pub skew: bool,
}

impl Sum {
    /// Nothing.
    pub const ZERO: Self = Self {
        words: "0s",
        fixed: Duration::ZERO,
        refresh: false,
        skew: false,
    };
    /// Until every reader surely re-read a changed value.
    pub const REFRESH: Self = Self {
        words: "refresh",
        refresh: true,
        ..Self::ZERO
    };
    /// The same by every clock.
    pub const REFRESH_AND_SKEW: Self = Self {
        words: "refresh + skew",
        skew: true,
        ..Self::REFRESH
    };

    /// What it comes to.
    pub fn of(&self, refresh: Duration, skew: Duration) -> Duration {
        let refresh = if self.refresh {
            refresh
        } else {
            Duration::ZERO
        };
        let skew = if self.skew { skew } else { Duration::ZERO };
        self.fixed.saturating_add(refresh).saturating_add(skew)
    }
}
