//! Whole rotations by the real program on stores whose reads lag behind its own writes, also where an answer to
//! a write is lost, and where one process goes on with what another one wrote: each ends rotated, with one value,
//! nothing is taken for another tool's work, and the log says so.

use std::sync::Arc;
use std::time::{Duration, Instant};

use keyrota_contract::Stage;

use super::bed::{Bed, Stores};
use super::faults::{When, call};
use keyrota::state::Outcome;

use crate::recovery::on_two_threads;
use crate::support::evidence::Evidence;
use crate::support::http_proxy::{Proxy, Spoil};
use crate::support::lagging::Lagging;
use crate::support::moto::Moto;
use crate::support::openbao::OpenBao;

const TOKEN: &str = r#"
[secrets.token]
kind = "random"
provider = "PROVIDER"
path = "PATH"
refresh = "0s"
env = "TOKEN"
[[secrets.token.consumers]]
kind = "file"
path = "out/app.env"
format = "dotenv"
[[secrets.token.consumers]]
kind = "command"
argv = ["/bin/true"]
"#;

/// A second server for each kind, which follows the first.
struct Far {
    stores: Arc<Stores>,
    moto: Moto,
    bao: OpenBao,
}

/// One secret on a store whose reads lag.
struct Slow {
    bed: Bed,
    lagging: Lagging,
    /// Before it: it counts and spoils.
    proxy: Proxy,
    provider: &'static str,
    path: String,
}

impl Far {
    fn start() -> Arc<Self> {
        let stores = Stores::start();
        let (moto, bao) = stores
            .runtime
            .block_on(async { tokio::join!(Moto::open(), OpenBao::start()) });
        Arc::new(Self { stores, moto, bao })
    }

    /// A store that holds a first value, which both servers have.
    fn slow(&self, provider: &'static str, path: &str, secret: &str) -> Slow {
        let (stores, none) = (&self.stores, Duration::ZERO);
        let (first, second, tokens) = match provider {
            "vault" => (
                stores.bao.plain(),
                self.bao.plain(),
                Some((stores.bao.root_token(), self.bao.root_token())),
            ),
            _ => (stores.moto.address(), self.moto.address(), None),
        };
        let lagging = Lagging::before(&first, &second, tokens, none);
        let lagging = stores.runtime.block_on(lagging);
        let proxy = stores.runtime.block_on(Proxy::before(&lagging.address()));
        let secret = secret.replace("PROVIDER", provider).replace("PATH", path);
        Slow {
            bed: Bed::behind(stores.clone(), &proxy, &secret),
            lagging,
            proxy,
            provider,
            path: path.to_owned(),
        }
    }
}

impl Slow {
    fn lag(&self, lag: Duration) {
        self.bed.stores.runtime.block_on(self.lagging.lag(lag));
    }

    fn value(&self, stage: Stage) -> Option<String> {
        self.bed.stores.value(self.provider, &self.path, stage)
    }

    fn evidence(&self, secret: &str) -> Evidence {
        Evidence::of(&self.bed.keyrota.path(".keyrota"), secret)
    }

    /// Every rotation ended as it should, and the log is whole and names nobody else.
    fn is_well(&self, secret: &str, rotations: usize, case: &str) {
        let evidence = self.evidence(secret);
        assert_eq!(evidence.rotations.len(), rotations, "{case}");
        for rotation in &evidence.rotations {
            assert_eq!(rotation.outcome, Some(Outcome::Rotated), "{case}");
        }
        assert_eq!(evidence.report.exit_code(), 0, "{case}");
        let told = |event: &str| evidence.log.iter().any(|entry| entry["event"] == event);
        assert!(!told("drift.detected"), "{case}");
        assert!(!told("rotation.stuck"), "{case}");
        assert_eq!(self.value(Stage::Pending), None, "{case}");
        assert_eq!(self.value(Stage::Previous), None, "{case}");
    }

    fn one_rotation(&self, known: usize, lag: Duration, lost: Option<When>) {
        let case = format!("{} {lag:?} {lost:?}", self.provider);
        let old = self.value(Stage::Current).unwrap();
        self.lag(lag);
        self.proxy.spoil(None);
        if let Some(when) = lost {
            self.proxy
                .fail(call(self.provider, when), 1, Spoil::ResetAfter);
        }
        let began = Instant::now();
        let ran = self.bed.run(&["rotate", "token", "--wait"]);
        assert_eq!(ran.code, 0, "{case}: {ran:?}");
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(!names_another(&said), "{case}: {said}");
        println!("{case}: {:?}", began.elapsed());
        let calls = self.proxy.calls();
        let count = |word: &str| calls.iter().filter(|call| call.contains(word)).count();
        let wrote = match self.provider {
            "sm" => count("PutSecretValue"),
            // One asks for a right.
            "ssm" => count("PutParameter") - 1,
            _ => count("POST kv/data/"),
        };
        let once = if self.provider == "sm" { 1 } else { 2 };
        if lost.is_none() {
            assert_eq!(wrote, once, "{case}: it wrote a second time: {calls:?}");
        }
        let new = self.value(Stage::Current).unwrap();
        assert_ne!(new, old, "{case}");
        self.is_well("token", known + 1, &case);
        let file = std::fs::read_to_string(self.bed.keyrota.path("out/app.env")).unwrap();
        assert_eq!(file, format!("TOKEN={new}\n"), "{case}");
    }
}

/// Every write may lose its answer; nothing of keyrota's own is read as somebody else's.
fn every_lag(provider: &'static str) {
    let far = Far::start();
    let lags = [Duration::from_secs(1), Duration::from_millis(2_500)];
    let rows: u32 = on_two_threads(lags.into_iter().enumerate().map(|(n, lag)| {
        let far = far.clone();
        move || {
            let slow = far.slow(provider, &format!("lagging/{n}"), TOKEN);
            slow.bed.run(&["rotate", "token", "--wait"]).code(0);
            let lost = [
                None,
                Some(When::Create),
                Some(When::Finish),
                Some(When::Retire),
            ];
            for (known, lost) in (1..).zip(lost) {
                slow.one_rotation(known, lag, lost);
            }
            assert!(slow.lagging.stale() > 4, "{}", slow.lagging.stale());
            4
        }
    }));
    println!("{provider}: {rows} rotations on reads that lag, 0 violations");
}

#[test]
fn secrets_manager_lags() {
    every_lag("sm");
}

#[test]
fn parameter_store_lags() {
    every_lag("ssm");
}

#[test]
fn vault_lags() {
    every_lag("vault");
}

/// Further behind than one read waits: tried again later, and it ends all the same.
#[test]
fn stores_that_lag_for_long() {
    let far = Far::start();
    let rows: u32 = on_two_threads(["sm", "ssm", "vault"].into_iter().map(|provider| {
        let far = far.clone();
        move || {
            let slow = far.slow(provider, "lagging/long", TOKEN);
            slow.bed.run(&["rotate", "token", "--wait"]).code(0);
            slow.one_rotation(1, Duration::from_secs(11), None);
            1
        }
    }));
    assert_eq!(rows, 3);
}

const KEY: &str = r#"
[secrets.key]
kind = "signing-key"
provider = "PROVIDER"
path = "PATH"
refresh = "1s"
skew = "1s"
signature_ttl = "1s"
env = "KEY"
env_fallback = "KEY_FALLBACK"
[[secrets.key.consumers]]
kind = "file"
path = "out/app.env"
format = "dotenv"
"#;

/// One process writes the candidate, the next one switches, and so on: each of them knows of what it did not
/// write itself from the record, and shows nobody an older value.
#[test]
fn processes_that_take_turns() {
    let far = Far::start();
    let rows: u32 = on_two_threads(["sm", "ssm", "vault"].into_iter().map(|provider| {
        let far = far.clone();
        move || {
            let slow = far.slow(provider, "lagging/turns", KEY);
            slow.bed.run(&["rotate", "key", "--wait"]).code(0);
            slow.lag(Duration::from_secs(5));
            let file = || std::fs::read_to_string(slow.bed.keyrota.path("out/app.env")).unwrap();
            for rotation in 2..4 {
                let old = slow.value(Stage::Current).unwrap();
                let mut processes = 0;
                loop {
                    let ran = slow.bed.run(&["rotate", "key"]);
                    processes += 1;
                    let case = format!("{provider}, rotation {rotation}, process {processes}");
                    assert!([0, 10, 21].contains(&ran.code), "{case}: {ran:?}");
                    let said = format!("{}{}", ran.stdout, ran.stderr);
                    assert!(!names_another(&said), "{case}: {said}");
                    // Readers of the file verify with what is current, and with what may be next.
                    let current = slow.value(Stage::Current).unwrap();
                    assert!(file().contains(&current), "{case}");
                    let evidence = slow.evidence("key");
                    if evidence.rotations.len() == rotation && !evidence.under_way() {
                        break;
                    }
                    assert!(processes < 20, "{case}");
                    std::thread::sleep(Duration::from_millis(1_100));
                }
                assert!(processes > 2, "{processes}");
                assert_ne!(slow.value(Stage::Current).unwrap(), old, "{provider}");
            }
            slow.is_well("key", 3, provider);
            1
        }
    }));
    assert_eq!(rows, 3);
}

/// Every other read is from before the last rotations: each process knows from the state what became current, and
/// takes nothing older for another tool's work, neither to rotate, nor to compare, nor to import.
#[test]
fn every_other_read_is_old() {
    let far = Far::start();
    let rows: u32 = on_two_threads(["sm", "ssm", "vault"].into_iter().map(|provider| {
        let far = far.clone();
        move || {
            let slow = far.slow(provider, "lagging/uneven", TOKEN);
            slow.bed.run(&["rotate", "token", "--wait"]).code(0);
            far.stores.runtime.block_on(slow.lagging.uneven(60));
            for rotation in 2..5 {
                slow.bed.run(&["rotate", "token", "--wait"]).code(0);
                // An odd number of reads, so that both kinds of answers come first in turn.
                for _ in 0..3 {
                    let ran = slow.bed.run(&["status", "--check"]);
                    assert_eq!(ran.code, 0, "{provider} {rotation}: {ran:?}");
                    let ran = slow.bed.run(&["import", "token", "--in-place", "--json"]);
                    let result = ran.code(0).json()["results"][0]["result"].clone();
                    assert_eq!(result, "known", "{provider} {rotation}");
                }
                slow.is_well("token", rotation, provider);
            }
            assert!(slow.lagging.stale() > 10, "{}", slow.lagging.stale());
            1
        }
    }));
    assert_eq!(rows, 3);
}

/// The switch is done and what comes after it fails. Whoever abandons the rotation next, by a look from before
/// the switch, does not take back what is current.
#[test]
fn a_promote_that_took_effect_is_not_abandoned() {
    let far = Far::start();
    let after = [
        ("sm", ("UpdateSecretVersionStage", 1)),
        ("ssm", ("DeleteParameter", 0)),
        ("vault", ("POST kv/metadata/", 0)),
    ];
    let rows: u32 = on_two_threads(after.into_iter().map(|(provider, call)| {
        let far = far.clone();
        move || {
            let slow = far.slow(provider, "lagging/after", KEY);
            slow.bed.run(&["rotate", "key", "--wait"]).code(0);
            let old = slow.value(Stage::Current).unwrap();
            slow.bed.run(&["rotate", "key"]).code(10);
            std::thread::sleep(Duration::from_millis(2_200));
            slow.lag(Duration::from_secs(6));
            // Taken alone, it is no doubt: that call changed nothing.
            let fails = match provider {
                "vault" => Spoil::Answer(429, "too many requests"),
                _ => Spoil::Answer(400, "ThrottlingException"),
            };
            slow.proxy.fail(call, 1, fails);
            let ran = slow.bed.run(&["rotate", "key"]).code(21);
            assert_eq!(slow.proxy.spoilt(), 1, "{provider}: {ran:?}");
            assert_ne!(slow.value(Stage::Current).unwrap(), old, "{provider}");
            let ran = slow.bed.run(&["abandon", "key"]);
            assert_ne!(ran.code, 20, "{provider}: {ran:?}");
            slow.lag(Duration::ZERO);
            let ran = slow.bed.run(&["rotate", "key", "--wait"]);
            assert_eq!(ran.code, 0, "{provider}: {ran:?}");
            assert_ne!(slow.value(Stage::Current).unwrap(), old, "{provider}");
            slow.is_well("key", 2, provider);
            1
        }
    }));
    assert_eq!(rows, 3);
}

/// A candidate that the store does not show yet is not taken for one that is gone.
#[test]
fn a_candidate_that_is_not_shown_yet_is_not_left_behind() {
    let far = Far::start();
    let rows: u32 = on_two_threads(["sm", "ssm"].into_iter().map(|provider| {
        let far = far.clone();
        move || {
            let slow = far.slow(provider, "lagging/left", TOKEN);
            slow.bed.run(&["rotate", "token", "--wait"]).code(0);
            let (runtime, lagging) = (&slow.bed.stores.runtime, &slow.lagging);
            slow.lag(Duration::from_secs(60));
            runtime.block_on(lagging.fresh(true));
            let mut dies = slow.bed.command(&["rotate", "token"]);
            dies.env("KEYROTA_KILL", "after-outcome:2");
            assert_eq!(dies.output().unwrap().status.code(), None, "{provider}");
            runtime.block_on(lagging.fresh(false));
            assert!(slow.value(Stage::Pending).is_some(), "{provider}");
            let ran = slow.bed.run(&["abandon", "token"]);
            assert_eq!(ran.code, 21, "{provider}: {ran:?}");
            slow.lag(Duration::ZERO);
            let ran = slow.bed.run(&["rotate", "token", "--wait"]);
            assert_eq!(ran.code, 20, "{provider}: {ran:?}");
            assert_eq!(slow.value(Stage::Pending), None, "{provider}");
            1
        }
    }));
    assert_eq!(rows, 2);
}

/// The look at the copies after another process' rotation: its value is nobody else's.
#[test]
fn a_look_at_copies_knows_the_last_rotation() {
    let far = Far::start();
    let copy = "[[secrets.token.copies]]\nprovider = \"local\"\npath = \"copied\"\n";
    let rows: u32 = on_two_threads(["sm", "ssm", "vault"].into_iter().map(|provider| {
        let far = far.clone();
        move || {
            let slow = far.slow(provider, "lagging/copied", &format!("{TOKEN}{copy}"));
            slow.bed.run(&["rotate", "token", "--wait"]).code(0);
            let (runtime, lagging) = (&slow.bed.stores.runtime, &slow.lagging);
            slow.lag(Duration::from_secs(7));
            runtime.block_on(lagging.fresh(true));
            slow.bed.run(&["rotate", "token", "--wait"]).code(0);
            runtime.block_on(lagging.fresh(false));
            let stale = lagging.stale();
            let ran = slow.bed.run(&["rotate", "--due"]);
            assert_eq!(ran.code, 0, "{provider}: {ran:?}");
            assert!(lagging.stale() > stale, "{provider}: no read was stale");
            slow.is_well("token", 2, provider);
            1
        }
    }));
    assert_eq!(rows, 3);
}

/// Whether it says that another tool wrote a value. That one may have taken a value away is no such claim.
fn names_another(said: &str) -> bool {
    ["changed", "wrote", "has", "keeps"]
        .iter()
        .any(|verb| said.contains(&format!("another tool {verb}")))
}
