//! The promises of the contract, one function each. A provider's own test is one line:
//! `keyrota_contract::conformance!(subject);` makes a named test of every one of them.
//!
//! Each promise works at a place of its own below the prefix of its [`Subject`], and nothing is
//! asserted that [`Capabilities`] does not claim.

use std::any::Any;
use std::sync::Arc;

use uuid::Uuid;

use crate::{
    Capabilities, ErrorKind, Native, Place, Provider, ProviderError, Public, SecretValue, Stage,
    VersionRef,
};

mod adversity;
mod promises;
pub use adversity::*;
pub use promises::*;

/// A provider under test.
pub struct Subject {
    provider: Arc<dyn Provider>,
    prefix: String,
    denied: Option<Arc<dyn Provider>>,
    _keep: Option<Box<dyn Any + Send + Sync>>,
}

/// Makes a test of every promise. `$subject` is a path to an async function without arguments that
/// returns a [`Subject`]; the calling crate needs `tokio` with `rt` and `macros` for its tests. With a name
/// and an expression before it, it makes one test of them all.
#[macro_export]
macro_rules! conformance {
    ($subject:path) => {
        $crate::conformance! { @each tests $subject }
    };
    ($name:ident: $subject:expr) => {
        $crate::conformance! { @each together $name $subject }
    };
    (@each $($how:tt)*) => {
        $crate::conformance! { @$($how)*;
            an_absent_place_is_empty,
            a_preflight_is_no_effect,
            a_write_is_pending_only,
            writing_again_changes_nothing,
            another_value_under_an_id_is_a_conflict,
            a_newer_candidate_replaces_an_older,
            an_equal_candidate_is_still_a_candidate,
            a_promote_happens_once,
            a_stale_promote_changes_nothing,
            the_old_value_stays_readable_if_claimed,
            destroying_again_is_done,
            the_current_version_is_not_destroyed,
            a_place_is_emptied_if_claimed,
            values_up_to_the_limit,
            bytes_that_are_not_text,
            names_with_slashes_are_apart,
            public_parts_come_back,
            denied_is_denied,
            one_of_two_writers_wins,
            dying_anywhere_and_repeating,
            no_value_in_what_is_printed,
        }
    };
    (@together $name:ident $subject:expr; $($promise:ident,)*) => {
        #[tokio::test]
        async fn $name() {
            let subject = $subject.await;
            $($crate::testing::conformance::$promise(&subject).await;)*
        }
    };
    (@tests $subject:path; $($promise:ident,)*) => {
        $(
            #[tokio::test]
            async fn $promise() {
                let subject = $subject().await;
                $crate::testing::conformance::$promise(&subject).await;
            }
        )*
    };
}

impl Subject {
    /// `provider`, to be tested below `prefix`, which no other run uses.
    pub fn new(provider: impl Provider + 'static, prefix: impl Into<String>) -> Self {
        Self {
            provider: Arc::new(provider),
            prefix: prefix.into(),
            denied: None,
            _keep: None,
        }
    }

    /// With the same store seen with credentials that may do nothing, where that can be arranged.
    pub fn with_denied(self, denied: impl Provider + 'static) -> Self {
        Self {
            denied: Some(Arc::new(denied)),
            ..self
        }
    }

    /// With something that must live as long as the test: a directory, a server.
    pub fn keeping(self, guard: impl Any + Send + Sync) -> Self {
        Self {
            _keep: Some(Box::new(guard)),
            ..self
        }
    }

    fn at(&self, name: &str) -> Spot {
        let at = Place::new(format!("{}/{name}", self.prefix));
        Spot {
            p: self.provider.clone(),
            can: self.provider.capabilities(),
            at,
        }
    }
}

/// One place of the provider under test.
struct Spot {
    p: Arc<dyn Provider>,
    can: Capabilities,
    at: Place,
}

impl Spot {
    async fn try_write(&self, n: u128, value: &[u8]) -> Result<Native, ProviderError> {
        self.p
            .write(
                &self.at,
                id(n),
                &SecretValue::copy_of(value),
                &Public::new(),
            )
            .await
    }

    async fn write(&self, n: u128, value: &[u8]) -> Native {
        self.try_write(n, value).await.expect("write")
    }

    async fn make_current(&self, n: u128, value: &[u8]) {
        self.make_current_with(n, value, &Public::new()).await;
    }

    async fn make_current_with(&self, n: u128, value: &[u8], public: &Public) {
        let from = self.native(Stage::Current).await;
        self.p
            .write(&self.at, id(n), &SecretValue::copy_of(value), public)
            .await
            .expect("write");
        self.p
            .promote(&self.at, id(n), from.as_ref())
            .await
            .expect("promote");
    }

    async fn read(&self, v: &VersionRef) -> Option<Vec<u8>> {
        read(&*self.p, &self.at, v).await
    }

    async fn current(&self) -> Option<Vec<u8>> {
        self.read(&VersionRef::Stage(Stage::Current)).await
    }

    async fn native(&self, stage: Stage) -> Option<Native> {
        let all = self.p.describe(&self.at).await.expect("describe");
        all.into_iter()
            .find(|v| v.stages.contains(&stage))
            .map(|v| v.native)
    }

    async fn public(&self, n: u128) -> Option<Public> {
        let all = self.p.describe(&self.at).await.expect("describe");
        all.into_iter()
            .find(|v| v.ours == Some(id(n)))
            .map(|v| v.public)
    }

    /// Who holds which stage, in the order of stages.
    async fn stages(&self) -> Vec<(Stage, Uuid)> {
        let all = self.p.describe(&self.at).await.expect("describe");
        let held = |v: &crate::VersionInfo| {
            let ours = v.ours.expect("every version here has our id");
            v.stages
                .iter()
                .map(|stage| (*stage, ours))
                .collect::<Vec<_>>()
        };
        let mut stages: Vec<_> = all
            .iter()
            .filter(|v| !v.stages.is_empty())
            .flat_map(held)
            .collect();
        stages.sort();
        stages
    }

    async fn count(&self, stage: Stage) -> usize {
        self.stages()
            .await
            .iter()
            .filter(|(s, _)| *s == stage)
            .count()
    }
}

async fn read(p: &dyn Provider, at: &Place, v: &VersionRef) -> Option<Vec<u8>> {
    p.read(at, v)
        .await
        .expect("read")
        .map(|value| value.expose_to(<[u8]>::to_vec))
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0000 + n)
}

fn kind<T>(result: Result<T, ProviderError>) -> Option<ErrorKind> {
    result.err().map(|e| e.kind)
}

fn explain<T>(result: Result<T, ProviderError>) -> String {
    result.map_or_else(|e| format!("{e} {e:?}"), |_| String::new())
}
