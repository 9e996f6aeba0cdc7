//! The reference provider: what the contract says, and nothing else.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::task::Poll;

use async_trait::async_trait;
use uuid::Uuid;

use crate::{
    Capabilities, ErrorKind, Flat, Native, Place, Promote, Provider, ProviderError, Public,
    SecretValue, Stage, VersionInfo, VersionRef,
};

/// A provider in memory. Share it in an `Arc`: it outlives the "process" that a test kills.
pub struct Memory {
    capabilities: Capabilities,
    denied: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    versions_made: u64,
    places: BTreeMap<Place, Vec<Stored>>,
    asked: Vec<&'static str>,
}

struct Stored {
    native: Native,
    ours: Option<Uuid>,
    stage: Stage,
    value: SecretValue,
    public: Public,
}

impl Memory {
    /// One that can do everything.
    pub fn new() -> Self {
        Self::with(Capabilities {
            promote: Promote::Atomic,
            keeps_previous: true,
            value_bytes_max: 65_536,
            binary: true,
            public_parts: true,
            first_is_current: false,
            fixed_values: true,
            reads_lag: false,
            removes: true,
        })
    }

    /// One that can do as much as `capabilities` says: without previous, text only, small, ….
    pub fn with(capabilities: Capabilities) -> Self {
        Self {
            capabilities,
            denied: AtomicBool::new(false),
            inner: Mutex::default(),
        }
    }

    /// Whether every call is answered with `Denied` from now on.
    pub fn deny(&self, denied: bool) {
        self.denied.store(denied, Ordering::SeqCst);
    }

    /// The methods called so far that asked for the store, in order.
    pub fn asked(&self) -> Vec<&'static str> {
        self.lock().asked.clone()
    }

    /// Puts a current value there as somebody else would: without our id. What was current before
    /// becomes previous, where previous is kept.
    pub fn put_foreign(&self, at: &Place, value: SecretValue) -> Native {
        let mut inner = self.lock();
        let native = inner.next_native();
        let versions = inner.places.entry(at.clone()).or_default();
        retire_current(versions, self.capabilities.keeps_previous);
        versions.push(Stored {
            native: native.clone(),
            ours: None,
            stage: Stage::Current,
            value,
            public: Public::new(),
        });
        native
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no holder of this lock panics")
    }

    fn ask(&self, method: &'static str) -> Result<MutexGuard<'_, Inner>, ProviderError> {
        let mut inner = self.lock();
        inner.asked.push(method);
        if self.denied.load(Ordering::SeqCst) {
            return Err(ProviderError::new(
                ErrorKind::Denied,
                "the memory provider was told to deny",
            ));
        }
        Ok(inner)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Inner {
    fn next_native(&mut self) -> Native {
        self.versions_made += 1;
        Native(format!("v{}", self.versions_made))
    }
}

fn matches(v: &Stored, wanted: &VersionRef) -> bool {
    match wanted {
        VersionRef::Ours(id) => v.ours == Some(*id),
        VersionRef::Stage(stage) => v.stage == *stage,
        VersionRef::Native(native) => v.native == *native,
    }
}

/// Current becomes previous; a previous there was is gone.
fn retire_current(versions: &mut Vec<Stored>, keeps_previous: bool) {
    versions
        .retain(|v| v.stage != Stage::Previous && (keeps_previous || v.stage != Stage::Current));
    for v in versions.iter_mut().filter(|v| v.stage == Stage::Current) {
        v.stage = Stage::Previous;
    }
}

#[async_trait]
impl Provider for Memory {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    async fn preflight(&self, at: &Place) -> Result<Vec<VersionInfo>, ProviderError> {
        drop(self.ask("preflight")?);
        self.describe(at).await
    }

    /// Its reads never lag.
    fn recall(&self, _: &Place, _: crate::Recalled<'_>) {}

    async fn describe(&self, at: &Place) -> Result<Vec<VersionInfo>, ProviderError> {
        let inner = self.ask("describe")?;
        let versions = inner.places.get(at).map_or(&[][..], Vec::as_slice);
        Ok(versions
            .iter()
            .map(|v| VersionInfo {
                native: v.native.clone(),
                ours: v.ours,
                stages: vec![v.stage],
                created: None,
                flaw: None,
                public: v.public.clone(),
            })
            .collect())
    }

    async fn read(&self, at: &Place, v: &VersionRef) -> Result<Option<SecretValue>, ProviderError> {
        let inner = self.ask("read")?;
        let found = inner
            .places
            .get(at)
            .and_then(|versions| versions.iter().find(|s| matches(s, v)));
        Ok(found.map(|s| s.value.expose_to(SecretValue::copy_of)))
    }

    async fn write(
        &self,
        at: &Place,
        id: Uuid,
        value: &SecretValue,
        public: &Public,
    ) -> Result<Native, ProviderError> {
        let mut inner = self.ask("write")?;
        if !value.fits(self.capabilities.value_bytes_max) {
            return Err(ProviderError::new(
                ErrorKind::Invalid,
                "the value is larger than the memory provider takes",
            ));
        }
        if !self.capabilities.binary && !value.is_text() {
            return Err(ProviderError::new(
                ErrorKind::Invalid,
                "the memory provider keeps text only",
            ));
        }
        let native = inner.next_native();
        let versions = inner.places.entry(at.clone()).or_default();
        if let Some(same) = versions.iter().find(|v| v.ours == Some(id)) {
            return match same.value.same_as(value) {
                true => Ok(same.native.clone()),
                false => Err(ProviderError::new(
                    ErrorKind::Conflict,
                    "this version id has another value already",
                )),
            };
        }
        let first = versions.is_empty() && self.capabilities.first_is_current;
        versions.retain(|v| v.stage != Stage::Pending);
        versions.push(Stored {
            native: native.clone(),
            ours: Some(id),
            stage: if first {
                Stage::Current
            } else {
                Stage::Pending
            },
            value: value.expose_to(SecretValue::copy_of),
            public: if self.capabilities.public_parts {
                public.clone()
            } else {
                Public::new()
            },
        });
        Ok(native)
    }

    async fn promote(
        &self,
        at: &Place,
        to: Uuid,
        from: Option<&Native>,
    ) -> Result<Native, ProviderError> {
        let mut inner = self.ask("promote")?;
        let missing = ProviderError::new(ErrorKind::NotFound, "no such version to promote");
        let versions = inner.places.get_mut(at).ok_or(missing)?;
        let target = versions
            .iter()
            .find(|v| v.ours == Some(to))
            .ok_or(missing)?;
        let native = target.native.clone();
        if target.stage == Stage::Current {
            return Ok(native);
        }
        let current = versions
            .iter()
            .find(|v| v.stage == Stage::Current)
            .map(|v| &v.native);
        if current != from {
            return Err(ProviderError::new(
                ErrorKind::Conflict,
                "another version is current than the one expected",
            ));
        }
        let at = versions
            .iter()
            .position(|v| v.native == native)
            .expect("found above");
        let mut target = versions.remove(at);
        retire_current(versions, self.capabilities.keeps_previous);
        target.stage = Stage::Current;
        versions.push(target);
        Ok(native)
    }

    async fn remove(&self, at: &Place, expected: &Native) -> Result<(), ProviderError> {
        let mut inner = self.ask("remove")?;
        let Some(versions) = inner.places.get_mut(at) else {
            return Ok(());
        };
        match versions.iter().find(|v| v.stage == Stage::Current) {
            None => Ok(()),
            Some(current) if current.native != *expected => Err(ProviderError::new(
                ErrorKind::Conflict,
                "another version is current than the one expected",
            )),
            Some(_) => {
                versions.retain(|v| v.stage == Stage::Pending);
                Ok(())
            }
        }
    }

    async fn destroy(&self, at: &Place, v: &VersionRef) -> Result<(), ProviderError> {
        let mut inner = self.ask("destroy")?;
        let Some(versions) = inner.places.get_mut(at) else {
            return Ok(());
        };
        if versions
            .iter()
            .any(|s| matches(s, v) && s.stage == Stage::Current)
        {
            return Err(ProviderError::new(
                ErrorKind::Conflict,
                "the current version is not destroyed",
            ));
        }
        versions.retain(|s| !matches(s, v));
        Ok(())
    }
}

/// A store of names and values in memory. Each call waits once before its effect and once after,
/// so that a future that is dropped dies on either side of it.
#[derive(Default)]
pub struct MemoryFlat {
    denied: AtomicBool,
    values: Mutex<BTreeMap<String, SecretValue>>,
}

impl MemoryFlat {
    /// Whether every call is answered with `Denied` from now on.
    pub fn deny(&self, denied: bool) {
        self.denied.store(denied, Ordering::SeqCst);
    }

    /// The names that exist.
    pub fn names(&self) -> Vec<String> {
        self.values
            .lock()
            .expect("no holder of this lock panics")
            .keys()
            .cloned()
            .collect()
    }

    async fn effect<R>(
        &self,
        f: impl FnOnce(&mut BTreeMap<String, SecretValue>) -> R,
    ) -> Result<R, ProviderError> {
        yield_once().await;
        if self.denied.load(Ordering::SeqCst) {
            return Err(ProviderError::new(
                ErrorKind::Denied,
                "the flat store was told to deny",
            ));
        }
        let result = f(&mut self.values.lock().expect("no holder of this lock panics"));
        yield_once().await;
        Ok(result)
    }
}

#[async_trait]
impl Flat for MemoryFlat {
    async fn get(&self, name: &str) -> Result<Option<SecretValue>, ProviderError> {
        self.effect(|values| values.get(name).map(|v| v.expose_to(SecretValue::copy_of)))
            .await
    }

    async fn put(&self, name: &str, value: &SecretValue) -> Result<(), ProviderError> {
        self.effect(|values| {
            drop(values.insert(name.to_string(), value.expose_to(SecretValue::copy_of)))
        })
        .await
    }

    async fn delete(&self, name: &str) -> Result<(), ProviderError> {
        self.effect(|values| drop(values.remove(name))).await
    }
}

/// Gives way to whatever else runs, once.
pub(crate) async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
