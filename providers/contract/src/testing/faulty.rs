//! Faults, one at a time, at a place that a loop chooses.
//!
//! A test runs its scenario once to learn how many effects it has, then once per effect and fault.
//! Rotators and consumers in a simulation share the same [`Faults`] through [`Faults::around`].

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;

use async_trait::async_trait;
use uuid::Uuid;

use crate::{
    Capabilities, ErrorKind, Native, Place, Provider, ProviderError, Public, SecretValue,
    VersionInfo, VersionRef,
};

/// What goes wrong with one effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process dies, and the effect never happens.
    CrashBefore,
    /// The process dies, and the effect has happened.
    CrashAfter,
    /// "Try again later", truthfully: nothing happened.
    RetryBefore,
    /// "Try again later" from a proxy, for an effect that did happen.
    RetryAfter,
    /// No answer, and nothing happened.
    AmbiguousBefore,
    /// No answer, and it happened.
    AmbiguousAfter,
    /// A refusal that no repetition changes.
    Refused,
}

impl Fault {
    /// All of them, for a loop.
    pub const ALL: [Self; 7] = [
        Self::CrashBefore,
        Self::CrashAfter,
        Self::RetryBefore,
        Self::RetryAfter,
        Self::AmbiguousBefore,
        Self::AmbiguousAfter,
        Self::Refused,
    ];
}

/// The failure that the caller of an effect is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// Provably no effect; try again.
    Retry,
    /// Nobody knows.
    Ambiguous,
    /// Never.
    Refused,
}

/// A plan of faults, and the record of the effects that asked it. Clones share both.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    plan: Vec<(usize, Fault)>,
    effects: Vec<&'static str>,
    dead: bool,
}

impl Faults {
    /// One with these faults, each at the effect of that number; the first effect is 0.
    pub fn at(plan: impl IntoIterator<Item = (usize, Fault)>) -> Self {
        let faults = Self::default();
        faults.lock().plan = plan.into_iter().collect();
        faults
    }

    /// The effects begun so far, in order, crashed and refused ones included.
    pub fn effects(&self) -> Vec<&'static str> {
        self.lock().effects.clone()
    }

    /// Whether the process has died and was not started again.
    pub fn dead(&self) -> bool {
        self.lock().dead
    }

    /// Starts the process again: what died stays undone, later effects work.
    pub fn restart(&self) {
        self.lock().dead = false;
    }

    /// Runs `scenario` until it ends (`Some`) or a fault kills it (`None`): it is then dropped where
    /// it stands, as a dead process leaves everything it was doing.
    pub async fn until_death<T>(&self, scenario: impl Future<Output = T>) -> Option<T> {
        let mut scenario = pin!(scenario);
        std::future::poll_fn(|cx| {
            if self.dead() {
                return Poll::Ready(None);
            }
            match scenario.as_mut().poll(cx) {
                Poll::Ready(value) => Poll::Ready(Some(value)),
                Poll::Pending if self.dead() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// Performs `effect` as the plan has it. `fail` turns a [`Reply`] into the caller's error.
    /// After a crash this, and every later effect, never completes.
    pub async fn around<T, E>(
        &self,
        name: &'static str,
        effect: impl Future<Output = Result<T, E>>,
        fail: impl FnOnce(Reply) -> E,
    ) -> Result<T, E> {
        let fault = match self.begin(name) {
            Begun::Dead => return std::future::pending().await,
            Begun::Planned(fault) => fault,
        };
        match fault {
            None => effect.await,
            Some(Fault::CrashBefore) => self.die().await,
            Some(Fault::CrashAfter) => {
                let _ = effect.await;
                self.die().await
            }
            Some(Fault::RetryBefore) => Err(fail(Reply::Retry)),
            Some(Fault::RetryAfter) => effect.await.and(Err(fail(Reply::Retry))),
            Some(Fault::AmbiguousBefore) => Err(fail(Reply::Ambiguous)),
            Some(Fault::AmbiguousAfter) => effect.await.and(Err(fail(Reply::Ambiguous))),
            Some(Fault::Refused) => Err(fail(Reply::Refused)),
        }
    }

    fn begin(&self, name: &'static str) -> Begun {
        let mut inner = self.lock();
        if inner.dead {
            return Begun::Dead;
        }
        let number = inner.effects.len();
        inner.effects.push(name);
        Begun::Planned(
            inner
                .plan
                .iter()
                .find(|(n, _)| *n == number)
                .map(|(_, fault)| *fault),
        )
    }

    async fn die<T>(&self) -> T {
        self.lock().dead = true;
        std::future::pending().await
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

enum Begun {
    Dead,
    Planned(Option<Fault>),
}

/// A provider whose every call (but `capabilities` and `recall`) is an effect of a [`Faults`] plan.
pub struct Faulty<P> {
    inner: P,
    faults: Faults,
}

impl<P> Faulty<P> {
    /// `inner` under `faults`.
    pub fn new(inner: P, faults: Faults) -> Self {
        Self { inner, faults }
    }
}

fn provider_error(reply: Reply) -> ProviderError {
    match reply {
        Reply::Retry => ProviderError::new(ErrorKind::Unavailable, "a planned fault: try again"),
        Reply::Ambiguous => ProviderError::new(ErrorKind::Ambiguous, "a planned fault: no answer"),
        Reply::Refused => ProviderError::new(ErrorKind::Denied, "a planned fault: refused"),
    }
}

#[async_trait]
impl<P: Provider> Provider for Faulty<P> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn preflight(&self, at: &Place) -> Result<Vec<VersionInfo>, ProviderError> {
        self.faults
            .around(
                "provider.preflight",
                self.inner.preflight(at),
                provider_error,
            )
            .await
    }

    fn recall(&self, at: &Place, wrote: crate::Recalled<'_>) {
        self.inner.recall(at, wrote);
    }

    async fn describe(&self, at: &Place) -> Result<Vec<VersionInfo>, ProviderError> {
        self.faults
            .around("provider.describe", self.inner.describe(at), provider_error)
            .await
    }

    async fn read(&self, at: &Place, v: &VersionRef) -> Result<Option<SecretValue>, ProviderError> {
        self.faults
            .around("provider.read", self.inner.read(at, v), provider_error)
            .await
    }

    async fn write(
        &self,
        at: &Place,
        id: Uuid,
        value: &SecretValue,
        public: &Public,
    ) -> Result<Native, ProviderError> {
        self.faults
            .around(
                "provider.write",
                self.inner.write(at, id, value, public),
                provider_error,
            )
            .await
    }

    async fn promote(
        &self,
        at: &Place,
        to: Uuid,
        from: Option<&Native>,
    ) -> Result<Native, ProviderError> {
        self.faults
            .around(
                "provider.promote",
                self.inner.promote(at, to, from),
                provider_error,
            )
            .await
    }

    async fn remove(&self, at: &Place, expected: &Native) -> Result<(), ProviderError> {
        self.faults
            .around(
                "provider.remove",
                self.inner.remove(at, expected),
                provider_error,
            )
            .await
    }

    async fn destroy(&self, at: &Place, v: &VersionRef) -> Result<(), ProviderError> {
        self.faults
            .around(
                "provider.destroy",
                self.inner.destroy(at, v),
                provider_error,
            )
            .await
    }
}
