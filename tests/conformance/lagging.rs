//! Stores whose reads lag behind keyrota's own writes: the contract holds, since a provider waits for what it
//! wrote itself; and what lags for too long is never taken for another tool's work.

use std::sync::Arc;
use std::time::{Duration, Instant};

use keyrota_contract::testing::Subject;
use keyrota_contract::{
    ErrorKind, Native, Place, Provider, ProviderError, Public, Recalled, SecretValue, Stage,
    VersionRef, lag,
};
use keyrota_rest::vault::{Auth, VaultConfig, VaultProvider};
use uuid::Uuid;

use crate::support::lagging::Lagging;
use crate::support::moto::{Moto, config, secrets_manager, ssm};
use crate::support::openbao::{OpenBao, input};

const SHORT: Duration = Duration::from_millis(120);

keyrota_contract::conformance!(secrets_manager_keeps_its_promises: subject("sm", SHORT));
keyrota_contract::conformance!(parameter_store_keeps_its_promises: subject("ssm", SHORT));
keyrota_contract::conformance!(vault_keeps_its_promises: subject("vault", SHORT));

async fn subject(kind: &str, lag: Duration) -> Subject {
    let bed = Bed::of(kind, lag).await;
    let provider = bed.provider();
    Subject::new(provider, "lagging").keeping(bed)
}

/// A store, a copy of it that lags, and what stands before both.
struct Bed {
    kind: String,
    proxy: Lagging,
    stores: Stores,
}

enum Stores {
    Aws(Moto, #[expect(dead_code, reason = "it has to live")] Moto),
    Vault(
        OpenBao,
        #[expect(dead_code, reason = "it has to live")] OpenBao,
    ),
}

impl Bed {
    async fn of(kind: &str, lag: Duration) -> Self {
        let (proxy, stores) = if kind == "vault" {
            let (first, second) = tokio::join!(OpenBao::start(), OpenBao::start());
            let tokens = Some((first.root_token(), second.root_token()));
            let proxy = Lagging::before(&first.plain(), &second.plain(), tokens, lag).await;
            (proxy, Stores::Vault(first, second))
        } else {
            let (first, second) = tokio::join!(Moto::start(), Moto::open());
            let proxy = Lagging::before(&first.address(), &second.address(), None, lag).await;
            (proxy, Stores::Aws(first, second))
        };
        Self {
            kind: kind.to_owned(),
            proxy,
            stores,
        }
    }

    /// Of a process that has written nothing yet.
    fn provider(&self) -> Arc<dyn Provider> {
        self.at(&self.proxy.url())
    }

    /// Of somebody who reads what is so.
    fn truth(&self) -> Arc<dyn Provider> {
        self.at(&match &self.stores {
            Stores::Aws(moto, _) => moto.url(),
            Stores::Vault(bao, _) => format!("http://{}", bao.plain()),
        })
    }

    fn at(&self, url: &str) -> Arc<dyn Provider> {
        match &self.stores {
            Stores::Vault(bao, _) => Arc::new(
                VaultProvider::new(VaultConfig {
                    address: url.to_owned(),
                    ..bao.config(Auth::Token(input(bao.root_token())))
                })
                .unwrap(),
            ),
            Stores::Aws(moto, _) if self.kind == "ssm" => Arc::new(ssm(config(url), &moto.admin)),
            Stores::Aws(moto, _) => Arc::new(secrets_manager(config(url), &moto.admin)),
        }
    }
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0000 + n)
}

/// Every read, right after a write of the same process.
async fn reads(p: &dyn Provider, at: &Place, which: usize) -> Result<String, ProviderError> {
    let show = |value: Option<SecretValue>| {
        value.map_or("-".to_owned(), |v| {
            v.expose_to(|v| String::from_utf8_lossy(v).into_owned())
        })
    };
    let stages = |all: Vec<keyrota_contract::VersionInfo>| {
        let mut all: Vec<_> = all.iter().map(|v| (v.stages.clone(), v.ours)).collect();
        all.sort();
        format!("{all:?}")
    };
    let read = async |v: VersionRef| p.read(at, &v).await.map(show);
    match which {
        0 => p.describe(at).await.map(stages),
        1 => p.preflight(at).await.map(stages),
        2 => read(VersionRef::Stage(Stage::Current)).await,
        3 => read(VersionRef::Stage(Stage::Pending)).await,
        4 => read(VersionRef::Stage(Stage::Previous)).await,
        _ => read(VersionRef::Ours(id(2))).await,
    }
}
const READS: usize = 6;

/// A process writes twice and promotes, and every read after each of its writes shows what is so, however
/// far reads are behind; a second process, which knows nothing of it, makes nothing wrong either.
async fn every_read_after_every_write(kind: &str) {
    let bed = Bed::of(kind, SHORT).await;
    let (p, truth) = (bed.provider(), bed.truth());
    let mut compared = 0;
    for (l, lag_ms) in [300, 1_000, 3_000].into_iter().enumerate() {
        // Reads in one order, and in the other.
        bed.proxy.lag(Duration::from_millis(lag_ms)).await;
        let at = Place::new(format!("reads/{l}"));
        let mut from: Option<Native> = None;
        for step in 0..5 {
            let value = |text: &str| SecretValue::copy_of(text.as_bytes());
            let write = async |n, text| p.write(&at, id(n), &value(text), &Public::new()).await;
            match step {
                0 => drop(write(1, "one").await.unwrap()),
                1 => from = Some(p.promote(&at, id(1), None).await.unwrap()),
                2 => drop(write(2, "two").await.unwrap()),
                3 => drop(p.promote(&at, id(2), from.as_ref()).await.unwrap()),
                _ => p.destroy(&at, &VersionRef::Ours(id(1))).await.unwrap(),
            }
            for n in 0..READS {
                let which = (n + step + l) % READS;
                let (shown, is) = (
                    reads(&*p, &at, which).await.unwrap(),
                    reads(&*truth, &at, which).await.unwrap(),
                );
                assert_eq!(shown, is, "{kind}, {lag_ms} ms, step {step}, read {which}");
                compared += 1;
            }
        }
    }
    assert!(bed.proxy.stale() > 30, "{}", bed.proxy.stale());
    println!(
        "{kind}: {compared} reads compared, {} answers were stale",
        bed.proxy.stale()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_read_of_secrets_manager() {
    every_read_after_every_write("sm").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_read_of_parameter_store() {
    every_read_after_every_write("ssm").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_read_of_vault() {
    every_read_after_every_write("vault").await;
}

/// Longer than a read waits: it is said to be so, in a bounded time; nothing is a conflict, nothing is written
/// a second time, and when the store has followed the same calls go on.
async fn too_far_behind(kind: &str) {
    let bed = Bed::of(kind, SHORT).await;
    let (p, at) = (bed.provider(), Place::new("behind"));
    let value = SecretValue::copy_of(b"one");
    p.write(&at, id(1), &value, &Public::new()).await.unwrap();
    p.promote(&at, id(1), None).await.unwrap();
    p.describe(&at).await.unwrap();
    bed.proxy.lag(Duration::from_secs(3_600)).await;
    let value = SecretValue::copy_of(b"two");
    p.write(&at, id(2), &value, &Public::new()).await.unwrap();
    let began = Instant::now();
    let read = VersionRef::Ours(id(2));
    let told = [
        p.describe(&at).await.map(drop),
        p.read(&at, &read).await.map(drop),
    ];
    let again = p.write(&at, id(2), &value, &Public::new()).await;
    assert!(began.elapsed() < 3 * lag::WAIT_MAX + Duration::from_secs(3));
    let mut unknown = 0;
    for told in told.into_iter().chain([again.map(drop)]) {
        let kind = told.map_err(|e| e.kind).err();
        assert!(
            matches!(kind, None | Some(ErrorKind::Unavailable)),
            "{kind:?}"
        );
        unknown += usize::from(kind.is_some());
    }
    assert!(unknown >= 2, "{unknown}");
    bed.proxy.lag(SHORT).await;
    let there = p.read(&at, &read).await.unwrap().unwrap();
    assert!(there.same_as(&value));
    p.write(&at, id(2), &value, &Public::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_too_far_behind() {
    tokio::join!(
        too_far_behind("sm"),
        too_far_behind("ssm"),
        too_far_behind("vault")
    );
}

/// Every other answer is from before all of this: a process that goes on with another one's writes takes none of
/// those for what is so, and sees at once what keyrota never wrote. Counted in reads, so it is the same every time.
async fn every_other_read(kind: &str) {
    let bed = Bed::of(kind, Duration::ZERO).await;
    let (first, truth, at) = (bed.provider(), bed.truth(), Place::new("uneven"));
    let write = async |p: &dyn Provider, n, text: &str| {
        let value = SecretValue::copy_of(text.as_bytes());
        p.write(&at, id(n), &value, &Public::new()).await
    };
    write(&*first, 1, "one").await.unwrap();
    let one = first.promote(&at, id(1), None).await.unwrap();
    first.describe(&at).await.unwrap();
    bed.proxy.uneven(1_000).await;
    // The same process, and then each step by another one that knows of the last from the state.
    write(&*first, 2, "two").await.unwrap();
    let recalling = |wrote| {
        let p = bed.provider();
        p.recall(&at, wrote);
        p
    };
    let mut compared = 0;
    let mut same = async |p: &dyn Provider, case: &str| {
        for which in (0..READS).chain((0..READS).rev()) {
            let (shown, is) = (
                reads(p, &at, which).await.unwrap(),
                reads(&*truth, &at, which).await.unwrap(),
            );
            assert_eq!(shown, is, "{kind}, {case}, read {which}");
            compared += 1;
        }
    };
    same(&*first, "its own candidate").await;
    let second = recalling(Recalled::Candidate(id(2)));
    same(&*second, "another one's candidate").await;
    let two = second.promote(&at, id(2), Some(&one)).await.unwrap();
    same(&*second, "its own promote").await;
    let (native, replaced) = (&two, Some(&one));
    let third = recalling(Recalled::Current { native, replaced });
    for _ in 0..4 {
        let is_two = third.read(&at, &VersionRef::Stage(Stage::Current)).await;
        assert!(
            is_two
                .unwrap()
                .unwrap()
                .same_as(&SecretValue::copy_of(b"two")),
            "{kind}"
        );
        let all = third.describe(&at).await.unwrap();
        let current = all.iter().find(|v| v.stages.contains(&Stage::Current));
        assert_eq!(current.unwrap().ours, Some(id(2)), "{kind}");
    }
    assert!(bed.proxy.stale() > 10, "{}", bed.proxy.stale());
    // Newer than what it recalls, and not its own: believed at once.
    write(&*truth, 3, "three").await.unwrap();
    let three = truth.promote(&at, id(3), Some(&two)).await.unwrap();
    let began = Instant::now();
    let fourth = recalling(Recalled::Current { native, replaced });
    let mut seen = false;
    for _ in 0..2 {
        let all = fourth.describe(&at).await.unwrap();
        seen |= all.iter().any(|v| v.native == three);
    }
    assert!(seen, "{kind}");
    assert!(began.elapsed() < lag::WAIT_MAX, "{kind}");
    println!(
        "{kind}: {compared} reads compared, {} answers were stale",
        bed.proxy.stale()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_other_read_of_secrets_manager() {
    every_other_read("sm").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_other_read_of_parameter_store() {
    every_other_read("ssm").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_other_read_of_vault() {
    every_other_read("vault").await;
}
