//! Every call of every method, spoilt in every way: nothing is lost, one value only, and the kind of
//! the error says the truth.

use std::sync::Arc;
use std::time::Duration;

use keyrota_contract::{
    ErrorKind, Native, Place, Provider, ProviderError, Public, SecretValue, Stage, VersionRef,
};
use uuid::Uuid;

use crate::support::http_proxy::{Proxy, Spoil};
use crate::support::moto::{Moto, config, secrets_manager, ssm};

const SPOILS: &[Spoil] = &[
    Spoil::ResetBefore,
    Spoil::ResetAfter,
    Spoil::Truncate,
    Spoil::Answer(400, "ThrottlingException"),
    Spoil::Answer(400, "ExpiredTokenException"),
    Spoil::Answer(403, "AccessDeniedException"),
    Spoil::Answer(500, "InternalServiceError"),
    Spoil::AnswerAfter(500, "InternalServerError"),
    Spoil::Answer(503, "ServiceUnavailable"),
];

/// Longer than a provider waits.
const LATE: Spoil = Spoil::Late(Duration::from_secs(9));

struct Bed {
    _moto: Arc<Moto>,
    proxy: Proxy,
    provider: Box<dyn Provider>,
    at: Place,
}

impl Bed {
    async fn of(kind: &str) -> Self {
        let moto = Moto::shared().await;
        let proxy = Proxy::before(&moto.address()).await;
        let there = config(&proxy.url());
        let provider: Box<dyn Provider> = match kind {
            "ssm" => Box::new(ssm(there, &moto.admin)),
            _ => Box::new(secrets_manager(there, &moto.admin)),
        };
        let at = Place::new(format!("faults/{kind}/none"));
        Self {
            _moto: moto,
            proxy,
            provider,
            at,
        }
    }

    async fn write(&self, n: u128, value: &str) -> Result<Native, ProviderError> {
        let value = SecretValue::copy_of(value.as_bytes());
        let p = &self.provider;
        p.write(&self.at, id(n), &value, &Public::new()).await
    }

    async fn promote(&self, n: u128, from: &Native) -> Result<Native, ProviderError> {
        self.provider.promote(&self.at, id(n), Some(from)).await
    }

    async fn stages(&self) -> Vec<(Stage, Option<Uuid>)> {
        let all = self.provider.describe(&self.at).await.unwrap();
        let mut stages: Vec<_> = all.iter().map(|v| (v.stages[0], v.ours)).collect();
        stages.sort();
        stages
    }

    async fn read(&self, stage: Stage) -> Option<String> {
        let v = VersionRef::Stage(stage);
        let value = self.provider.read(&self.at, &v).await.unwrap()?;
        Some(value.expose_to(|v| String::from_utf8_lossy(v).into_owned()))
    }

    /// Two turns were taken: `one`, then `two` is current.
    async fn two_turns(&mut self, name: &str) -> Native {
        self.at = Place::new(format!("faults/{name}"));
        self.proxy.spoil(None);
        let first = self.write(1, "one").await.unwrap();
        let first = match self.read(Stage::Current).await {
            Some(_) => first,
            None => {
                let p = &self.provider;
                p.promote(&self.at, id(1), None).await.unwrap()
            }
        };
        self.write(2, "two").await.unwrap();
        self.promote(2, &first).await.unwrap()
    }

    /// Whether the spoilt call was reached, after a look at the error's kind. `switch`: the call that makes
    /// a version current. What comes after it is never told as a call without an effect.
    fn judge<T>(
        &self,
        told: Result<T, ProviderError>,
        n: usize,
        spoil: Spoil,
        switch: Option<&str>,
    ) -> bool {
        let calls = self.proxy.calls();
        let Some(call) = calls.get(n) else {
            assert!(told.is_ok(), "without a fault");
            return false;
        };
        let looks = ["Describe", "Get"].iter().any(|l| call.starts_with(l));
        let switched = switch.is_some_and(|s| calls[..n].iter().any(|c| c.starts_with(s)));
        let wanted = match spoil {
            _ if switched => ErrorKind::Ambiguous,
            Spoil::Answer(_, "ThrottlingException") => ErrorKind::Throttled,
            Spoil::Answer(_, "ExpiredTokenException") => ErrorKind::Unavailable,
            Spoil::Answer(_, "AccessDeniedException") => ErrorKind::Denied,
            _ if looks => ErrorKind::Unavailable,
            _ => ErrorKind::Ambiguous,
        };
        let kind = told.err().map(|e| e.kind);
        assert_eq!(kind, Some(wanted), "{spoil:?} of {calls:?}[{n}]");
        assert_eq!(calls.len(), n + 1, "nothing is called after {spoil:?}");
        true
    }
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0000 + n)
}

async fn every_call(kind: &str, switch: &str, spoils: &[Spoil]) {
    let mut bed = Bed::of(kind).await;
    for (s, &spoil) in spoils.iter().enumerate() {
        for n in 0.. {
            let from = bed.two_turns(&format!("{kind}/{s}-{n}")).await;
            let mut reached = false;

            bed.proxy.spoil(Some((n, spoil)));
            let told = bed.write(3, "three").await;
            reached |= bed.judge(told, n, spoil, None);
            bed.proxy.spoil(None);
            assert_eq!(bed.read(Stage::Current).await.as_deref(), Some("two"));
            bed.write(3, "three").await.unwrap();
            assert_eq!(bed.read(Stage::Pending).await.as_deref(), Some("three"));

            bed.proxy.spoil(Some((n, spoil)));
            let told = bed.promote(3, &from).await;
            reached |= bed.judge(told, n, spoil, Some(switch));
            bed.proxy.spoil(None);
            let current = bed.read(Stage::Current).await;
            assert!(matches!(current.as_deref(), Some("two" | "three")));
            bed.promote(3, &from).await.unwrap();
            let (previous, current) = (
                (Stage::Previous, Some(id(2))),
                (Stage::Current, Some(id(3))),
            );
            assert_eq!(bed.stages().await, [current, previous]);
            assert_eq!(bed.read(Stage::Current).await.as_deref(), Some("three"));
            assert_eq!(bed.read(Stage::Previous).await.as_deref(), Some("two"));

            bed.proxy.spoil(Some((n, spoil)));
            let told = bed
                .provider
                .destroy(&bed.at, &VersionRef::Ours(id(2)))
                .await;
            reached |= bed.judge(told, n, spoil, None);
            bed.proxy.spoil(None);
            let ours = VersionRef::Ours(id(2));
            bed.provider.destroy(&bed.at, &ours).await.unwrap();
            assert_eq!(bed.stages().await, [current]);
            if !reached {
                break;
            }
        }
    }
}

#[tokio::test]
async fn every_call_of_secrets_manager_spoilt_in_every_way() {
    every_call("sm", "UpdateSecretVersionStage", SPOILS).await;
}

#[tokio::test]
async fn every_call_of_parameter_store_spoilt_in_every_way() {
    every_call("ssm", "PutParameter", SPOILS).await;
}

/// Unlike a reset, this ends by the provider's own time limit, which is not short.
async fn late(kind: &str, call: usize) {
    let mut bed = Bed::of(kind).await;
    let from = bed.two_turns(&format!("{kind}/late")).await;
    bed.write(3, "three").await.unwrap();
    bed.proxy.spoil(Some((call, LATE)));
    let told = bed.promote(3, &from).await;
    assert!(bed.judge(told, call, LATE, None));
    bed.proxy.spoil(None);
    bed.promote(3, &from).await.unwrap();
    assert_eq!(bed.read(Stage::Current).await.as_deref(), Some("three"));
    assert_eq!(bed.read(Stage::Previous).await.as_deref(), Some("two"));
}

#[tokio::test]
async fn a_late_answer_of_secrets_manager() {
    late("sm", 1).await;
}

#[tokio::test]
async fn a_late_answer_of_parameter_store() {
    late("ssm", 2).await;
}

#[tokio::test]
async fn nobody_there_is_no_effect() {
    let moto = Moto::shared().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = config(&format!("http://{}", free.local_addr().unwrap()));
    drop(free);
    let at = Place::new("nowhere");
    let destroyed = secrets_manager(nowhere.clone(), &moto.admin);
    let destroyed = destroyed.destroy(&at, &VersionRef::Ours(id(1))).await;
    assert_eq!(destroyed.unwrap_err().kind, ErrorKind::Unavailable);
    let described = ssm(nowhere, &moto.admin).describe(&at).await;
    assert_eq!(described.unwrap_err().kind, ErrorKind::Unavailable);
}
