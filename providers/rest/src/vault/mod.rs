//! The provider `vault`: HashiCorp Vault and OpenBao, key/value version 2.
//!
//! ```text
//! PATH                   what readers read; its custom metadata say which version is whose
//! PATH.keyrota-pending   the candidate: its value, its id, and the version of PATH it was made for
//! ```
//!
//! The switch is one `POST` of `PATH` with check-and-set. A process that dies after it leaves a
//! version without a record whose value equals the candidate's: whoever looks next sees it as that.
//! Somebody's change of another field of the same secret is a new version too, and is told apart by
//! the value of our field.
//!
//! # Layout
//! - [`config`]: what a provider is made from
//! - `wire`: one request, its limits, and what its reply means; `requests`: those vaultrs lacks
//! - `login`: the token: got, renewed, got again
//! - `calls`: the reads and writes of a path; `wrote`: which answers are older than a write
//! - `look`, `seen`: what stands at a place; `document`: a secret's fields; `records`: its custom metadata
//! - `preflight`: rights and settings that a later step would miss

mod calls;
pub mod config;
mod document;
mod login;
mod look;
mod preflight;
mod records;
mod requests;
mod seen;
mod wire;
mod wrote;

use async_trait::async_trait;
use keyrota_contract::{
    Capabilities, ErrorKind, Native, Place, Promote, Provider, ProviderError, Public, Recalled,
    SecretValue, Stage, VersionInfo, VersionRef, Written,
};
use uuid::Uuid;

pub use config::{Auth, Input, VaultConfig, address_is_wrong};

use document::{Held, Pending};
use login::Session;
use look::Named;
use wrote::Wrote;

/// The largest value. Its characters may take six times as many bytes in JSON, and a version must
/// stay below the 1 MiB that a server with integrated storage keeps under one key.
pub const VALUE_BYTES_MAX: usize = 65_536;

/// What a server can do, whichever it is.
pub const CAPABILITIES: Capabilities = Capabilities {
    promote: Promote::CheckAndSet,
    keeps_previous: true,
    value_bytes_max: VALUE_BYTES_MAX,
    binary: false,
    public_parts: true,
    first_is_current: false,
    fixed_values: true,
    reads_lag: true,
    removes: true,
};

/// What a path's sibling adds to its name.
const PENDING: &str = ".keyrota-pending";

/// Keeps values in a key/value mount.
pub struct VaultProvider {
    session: Session,
    mount: String,
    mount_is_known: tokio::sync::OnceCell<()>,
    wrote: Written<Wrote>,
}

impl VaultProvider {
    /// One that talks to a server at the first call. No I/O.
    ///
    /// # Errors
    /// `Invalid`: an address or a mount that cannot be meant.
    pub fn new(config: VaultConfig) -> Result<Self, ProviderError> {
        if let Some(why) = address_is_wrong(&config.address) {
            return Err(invalid(why));
        }
        check_path(&config.mount)?;
        Ok(Self {
            mount: config.mount.clone(),
            session: Session::new(config)?,
            mount_is_known: tokio::sync::OnceCell::new(),
            wrote: Written::default(),
        })
    }

    /// Version 1 of the key/value engine ignores check-and-set, and answers our paths as absent.
    async fn know_the_mount(&self) -> Result<(), ProviderError> {
        self.mount_is_known
            .get_or_try_init(|| preflight::mount(&self.session, &self.mount))
            .await
            .copied()
    }
}

#[async_trait]
impl Provider for VaultProvider {
    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn recall(&self, at: &Place, wrote: Recalled<'_>) {
        match wrote {
            Recalled::Candidate(id) => self.wrote.note(&sibling(at), |w| w.expects(id)),
            Recalled::Current { native, .. } => {
                if let Ok(version) = native.0.parse() {
                    self.wrote.note(&at.path, |w| w.version(version));
                }
            }
        }
    }

    async fn describe(&self, at: &Place) -> Result<Vec<VersionInfo>, ProviderError> {
        let seen = self.look(at).await?;
        self.list(at, &seen).await
    }

    async fn read(&self, at: &Place, v: &VersionRef) -> Result<Option<SecretValue>, ProviderError> {
        // The newest, or that of a number; 0 would be the newest too, and is nobody's.
        let direct = match v {
            VersionRef::Stage(Stage::Current) => Some(None),
            VersionRef::Native(number) => number.0.parse().ok().filter(|n| *n > 0).map(Some),
            _ => None,
        };
        if let Some(version) = direct {
            check_path(&at.path)?;
            self.know_the_mount().await?;
            return match self.data(&at.path, version).await? {
                Held::Here(document) => document.value(field(at)).map(Some),
                Held::SoftDeleted(_) => Err(soft_deleted()),
                Held::Gone(_) => Ok(None),
            };
        }
        if let VersionRef::Ours(id) = v
            && let Some(candidate) = self.candidate(at).await?
            && candidate.id == *id
        {
            // An id means one value, wherever it stands.
            return Ok(Some(candidate.value()));
        }
        let seen = self.look(at).await?;
        match self.resolve(at, &seen, v).await? {
            None => Ok(None),
            Some(Named::Pending) => Ok(seen.pending().map(Pending::value)),
            Some(Named::Version(version)) => {
                if seen.is_soft_deleted(version) {
                    return Err(soft_deleted());
                }
                self.value_at(at, version).await
            }
        }
    }

    async fn write(
        &self,
        at: &Place,
        id: Uuid,
        value: &SecretValue,
        public: &Public,
    ) -> Result<Native, ProviderError> {
        refuse_unkeepable(value, public)?;
        let seen = self.look(at).await?;
        let there = match self.resolve(at, &seen, &VersionRef::Ours(id)).await? {
            None => None,
            Some(Named::Pending) => seen.pending().map(|p| (pending_native(id), p.value())),
            Some(Named::Version(version)) => self
                .value_at(at, version)
                .await?
                .map(|value| (native(version), value)),
        };
        if let Some((native, there)) = there {
            return match there.same_as(value) {
                true => Ok(native),
                false => Err(conflict("this version id has another value already")),
            };
        }
        if let Some(unrecorded) = seen.unrecorded() {
            // What says whose value is current is about to be overwritten.
            self.record(at, &seen, unrecorded).await?;
        }
        let candidate = Pending::compose(id, seen.version(), public, value);
        match self.put_candidate(at, &seen, id, candidate).await {
            Err(e)
                if e.kind == ErrorKind::Conflict && self.stands(at, &seen, id, value).await? => {}
            put => put?,
        }
        Ok(pending_native(id))
    }

    async fn promote(
        &self,
        at: &Place,
        to: Uuid,
        from: Option<&Native>,
    ) -> Result<Native, ProviderError> {
        let mut seen = self.look(at).await?;
        let current = seen.current_version()?;
        let mut unrecorded = true;
        if current.is_some() && seen.current_id() == Some(to) {
            unrecorded = seen.unrecorded() == Some(to);
        } else {
            let Some(pending) = seen.pending().filter(|p| p.id == to) else {
                return Err(ProviderError::new(
                    ErrorKind::NotFound,
                    "no such version to promote",
                ));
            };
            if !seen.is_current(from) {
                return Err(stale());
            }
            if seen
                .custom_with(seen.version().saturating_add(1), to)
                .is_none()
            {
                return Err(no_room());
            }
            let value = pending.value();
            // The version whose siblings are kept is the one that is replaced, or nothing is.
            let data = match current {
                None => document::only(field(at), &value),
                Some(_) => match self.data(&at.path, current).await? {
                    Held::Here(document) => document.with(field(at), &value)?,
                    Held::SoftDeleted(_) | Held::Gone(_) => return Err(stale()),
                },
            };
            match self.put_named(at, &seen, data).await {
                Ok(version) => seen.became(version, to),
                Err(e) => seen = self.switched_before(at, to, e).await?,
            }
        }
        if unrecorded {
            let recorded = self.record(at, &seen, to).await;
            recorded.map_err(ProviderError::after_effect)?;
        }
        if seen.sibling_id() == Some(to) {
            let deleted = self.delete_sibling(at, &seen).await;
            deleted.map_err(ProviderError::after_effect)?;
        }
        Ok(native(seen.version()))
    }

    async fn remove(&self, at: &Place, expected: &Native) -> Result<(), ProviderError> {
        let seen = self.look(at).await?;
        let Some(current) = seen.current_version()? else {
            return Ok(());
        };
        if native(current) != *expected {
            return Err(stale());
        }
        if let Held::Here(document) = self.data(&at.path, Some(current)).await?
            && document.has_others(field(at))?
        {
            return Err(invalid(
                "there are other fields beside the value, which would be removed with it",
            ));
        }
        // By their numbers: a version that somebody makes now stays.
        let mut all: Vec<_> = seen.there(0, current).collect();
        all.push(current);
        self.erase(at, all).await
    }

    async fn destroy(&self, at: &Place, v: &VersionRef) -> Result<(), ProviderError> {
        let seen = self.look(at).await?;
        match self.resolve(at, &seen, v).await? {
            None => Ok(()),
            Some(Named::Pending) => self.delete_sibling(at, &seen).await,
            Some(Named::Version(version)) if seen.holds_current(version) => {
                Err(conflict("the current version is not destroyed"))
            }
            // Whoever deleted it can still bring it back.
            Some(Named::Version(version)) if seen.is_soft_deleted(version) => Err(soft_deleted()),
            Some(Named::Version(version)) => {
                let versions = self.alike(at, &seen, version).await?;
                self.erase(at, versions).await
            }
        }
    }

    async fn preflight(&self, at: &Place) -> Result<Vec<VersionInfo>, ProviderError> {
        check_path(&at.path)?;
        self.know_the_mount().await?;
        let meta = preflight::place(self, at).await?;
        let seen = self.look_beside(at, meta).await?;
        self.list(at, &seen).await
    }
}

fn native(version: u64) -> Native {
    Native(version.to_string())
}

fn pending_native(id: Uuid) -> Native {
    Native(format!("pending-{id}"))
}

fn field(at: &Place) -> &str {
    at.field.as_deref().unwrap_or("value")
}

fn sibling(at: &Place) -> String {
    format!("{}{PENDING}", at.path)
}

/// Why a path, or a mount, is none that keyrota uses: what a URL would bend (`.`, `..`, nothing
/// between two slashes), and its own names.
pub fn path_is_wrong(path: &str) -> Option<&'static str> {
    let odd = |part: &str| matches!(part, "" | "." | "..") || part.chars().any(char::is_control);
    if path.split('/').any(odd) {
        return Some("has an empty part, `.`, `..` or a control character in it");
    }
    if path.trim() != path {
        return Some("has a space before or after it, which the server does not keep");
    }
    path.ends_with(PENDING)
        .then_some("ends as keyrota's own paths do")
}

fn check_path(path: &str) -> Result<(), ProviderError> {
    match path_is_wrong(path) {
        None => Ok(()),
        Some(_) => Err(invalid(
            "a mount or a path has an empty part, `.`, `..` or a control character in it, or ends in .keyrota-pending",
        )),
    }
}

fn refuse_unkeepable(value: &SecretValue, public: &Public) -> Result<(), ProviderError> {
    if !value.fits(VALUE_BYTES_MAX) {
        return Err(invalid("the value is larger than 65,536 bytes"));
    }
    if !value.is_text() {
        return Err(invalid(
            "Vault keeps JSON, which is text, and the value is not UTF-8",
        ));
    }
    if !records::public_fits(public) {
        return Err(invalid("the public parts are larger than 4,096 bytes"));
    }
    Ok(())
}

fn invalid(context: &'static str) -> ProviderError {
    ProviderError::new(ErrorKind::Invalid, context)
}

fn conflict(context: &'static str) -> ProviderError {
    ProviderError::new(ErrorKind::Conflict, context)
}

fn no_room() -> ProviderError {
    invalid("the secret has too many keys of custom metadata (64 is the most): keyrota needs some")
}

fn stale() -> ProviderError {
    conflict("another version is current than the one expected")
}

fn soft_deleted() -> ProviderError {
    ProviderError::new(
        ErrorKind::SoftDeleted,
        "the current version is deleted and can be brought back (`undelete`): nothing is written over it",
    )
}
