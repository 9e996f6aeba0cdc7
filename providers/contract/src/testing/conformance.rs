//! The promises of the contract, one function each. A provider's own test is one line:
//! `keyrota_contract::conformance!(subject);` makes a named test of every one of them.
//!
//! Each promise works at a place of its own below [`Subject::prefix`], and nothing is asserted that
//! [`Capabilities`] does not claim.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use uuid::Uuid;

use crate::{
    Capabilities, ErrorKind, Native, Place, Promote, Provider, ProviderError, Public, SecretValue,
    Stage, VersionRef,
};

/// A provider under test.
pub struct Subject {
    /// The provider.
    pub provider: Arc<dyn Provider>,
    /// The beginning of every path; no other run uses it.
    pub prefix: String,
    /// The same store with credentials that may do nothing, where that can be arranged.
    pub denied: Option<Arc<dyn Provider>>,
}

/// Makes a test of every promise. `$subject` is a path to an async function without arguments that
/// returns a [`Subject`]; the calling crate needs `tokio` with `rt` and `macros` for its tests.
#[macro_export]
macro_rules! conformance {
    ($subject:path) => {
        $crate::conformance! { @tests $subject;
            an_absent_place_is_empty,
            a_write_is_pending_only,
            writing_again_changes_nothing,
            another_value_under_an_id_is_a_conflict,
            a_newer_candidate_replaces_an_older,
            a_promote_happens_once,
            a_stale_promote_changes_nothing,
            the_old_value_stays_readable_if_claimed,
            destroying_again_is_done,
            the_current_version_is_not_destroyed,
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

/// Nothing there: no versions, no value, nothing to promote, nothing to destroy.
pub async fn an_absent_place_is_empty(s: &Subject) {
    let t = s.at("absent");
    assert_eq!(t.stages().await, []);
    for v in [
        VersionRef::Stage(Stage::Current),
        VersionRef::Stage(Stage::Pending),
        VersionRef::Ours(id(1)),
    ] {
        assert_eq!(t.read(&v).await, None);
        t.p.destroy(&t.at, &v)
            .await
            .expect("destroying what is absent is done");
    }
    assert_eq!(
        kind(t.p.promote(&t.at, id(1), None).await),
        Some(ErrorKind::NotFound)
    );
    assert_eq!(t.stages().await, [], "asking creates nothing");
}

/// A candidate is readable under its id and its stage; readers of current see no change.
pub async fn a_write_is_pending_only(s: &Subject) {
    let t = s.at("pending");
    if !t.can.first_is_current {
        t.write(1, b"candidate").await;
        assert_eq!(t.stages().await, [(Stage::Pending, id(1))]);
        assert_eq!(t.current().await, None);
    }
    t.make_current(2, b"in use").await;
    t.write(3, b"next").await;
    assert_eq!(t.current().await.as_deref(), Some(&b"in use"[..]));
    assert_eq!(
        t.read(&VersionRef::Ours(id(3))).await.as_deref(),
        Some(&b"next"[..])
    );
    assert_eq!(
        t.read(&VersionRef::Stage(Stage::Pending)).await.as_deref(),
        Some(&b"next"[..])
    );
    assert!(t.stages().await.contains(&(Stage::Pending, id(3))));
}

/// The same id with the same value, again and again.
pub async fn writing_again_changes_nothing(s: &Subject) {
    let t = s.at("again");
    t.make_current(1, b"one").await;
    let first = t.write(2, b"two").await;
    let before = t.stages().await;
    assert_eq!(t.write(2, b"two").await, first);
    assert_eq!(t.stages().await, before);
    t.make_current(2, b"two").await;
    t.write(2, b"two").await;
    assert_eq!(
        t.current().await.as_deref(),
        Some(&b"two"[..]),
        "also when it has become current"
    );
    assert!(!t.stages().await.contains(&(Stage::Pending, id(2))));
}

/// An id means one value for ever.
pub async fn another_value_under_an_id_is_a_conflict(s: &Subject) {
    let t = s.at("conflict");
    t.make_current(1, b"one").await;
    t.write(2, b"first").await;
    assert_eq!(
        kind(t.try_write(2, b"second").await),
        Some(ErrorKind::Conflict)
    );
    assert_eq!(
        t.read(&VersionRef::Ours(id(2))).await.as_deref(),
        Some(&b"first"[..])
    );
    assert_eq!(
        kind(t.try_write(1, b"second").await),
        Some(ErrorKind::Conflict)
    );
    assert_eq!(t.current().await.as_deref(), Some(&b"one"[..]));
}

/// An abandoned candidate makes way.
pub async fn a_newer_candidate_replaces_an_older(s: &Subject) {
    let t = s.at("replace");
    t.make_current(1, b"one").await;
    t.write(2, b"abandoned").await;
    t.write(3, b"newer").await;
    assert_eq!(
        t.read(&VersionRef::Stage(Stage::Pending)).await.as_deref(),
        Some(&b"newer"[..])
    );
    assert_eq!(t.count(Stage::Pending).await, 1);
    assert_eq!(t.current().await.as_deref(), Some(&b"one"[..]));
}

/// Repeating a promote, with the old `from`, answers as the first did.
pub async fn a_promote_happens_once(s: &Subject) {
    let t = s.at("promote");
    t.make_current(1, b"one").await;
    let from = t.native(Stage::Current).await;
    t.write(2, b"two").await;
    let native =
        t.p.promote(&t.at, id(2), from.as_ref())
            .await
            .expect("promote");
    let after = t.stages().await;
    assert!(after.contains(&(Stage::Current, id(2))) && !after.contains(&(Stage::Pending, id(2))));
    assert_eq!(t.current().await.as_deref(), Some(&b"two"[..]));
    for from in [from.as_ref(), None, Some(&native)] {
        assert_eq!(
            t.p.promote(&t.at, id(2), from).await.expect("done already"),
            native
        );
        assert_eq!(t.stages().await, after);
    }
    assert_eq!(t.native(Stage::Current).await, Some(native));
}

/// Somebody else's current is not overwritten.
pub async fn a_stale_promote_changes_nothing(s: &Subject) {
    let t = s.at("stale");
    t.make_current(1, b"one").await;
    let stale = t.native(Stage::Current).await;
    t.make_current(2, b"two").await;
    t.write(3, b"three").await;
    let before = t.stages().await;
    for from in [stale.as_ref(), None] {
        assert_eq!(
            kind(t.p.promote(&t.at, id(3), from).await),
            Some(ErrorKind::Conflict)
        );
        assert_eq!(t.stages().await, before);
        assert_eq!(t.current().await.as_deref(), Some(&b"two"[..]));
    }
}

/// Previous is the value that was current, through every further turn.
pub async fn the_old_value_stays_readable_if_claimed(s: &Subject) {
    let t = s.at("previous");
    let values = [b"one", b"two", b"thr"];
    for (n, value) in values.iter().enumerate() {
        t.make_current(n as u128 + 1, *value).await;
        let previous = t.read(&VersionRef::Stage(Stage::Previous)).await;
        match n.checked_sub(1) {
            Some(before) if t.can.keeps_previous => {
                assert_eq!(previous.as_deref(), Some(&values[before][..]))
            }
            _ => assert_eq!(previous, None),
        }
        t.write(9 + n as u128, b"candidate").await;
        assert_eq!(
            t.read(&VersionRef::Stage(Stage::Previous)).await,
            previous,
            "a write leaves it alone"
        );
    }
}

/// Pending and previous end, once and again, by id, by stage, by native name.
pub async fn destroying_again_is_done(s: &Subject) {
    let t = s.at("destroy");
    t.make_current(1, b"one").await;
    t.make_current(2, b"two").await;
    t.write(3, b"three").await;
    for v in [VersionRef::Ours(id(3)), VersionRef::Stage(Stage::Previous)] {
        for _ in 0..2 {
            t.p.destroy(&t.at, &v).await.expect("destroy");
            assert_eq!(t.read(&v).await, None);
        }
    }
    assert_eq!(t.read(&VersionRef::Ours(id(1))).await, None);
    assert_eq!(t.stages().await, [(Stage::Current, id(2))]);
    let native = t.write(4, b"four").await;
    t.p.destroy(&t.at, &VersionRef::Native(native))
        .await
        .expect("destroy");
    assert_eq!(
        kind(t.p.promote(&t.at, id(4), None).await),
        Some(ErrorKind::NotFound)
    );
    assert_eq!(t.current().await.as_deref(), Some(&b"two"[..]));
}

/// What readers use cannot be destroyed under any of its names.
pub async fn the_current_version_is_not_destroyed(s: &Subject) {
    let t = s.at("keep");
    t.make_current(1, b"one").await;
    let native = t
        .native(Stage::Current)
        .await
        .expect("there is a current version");
    for v in [
        VersionRef::Ours(id(1)),
        VersionRef::Stage(Stage::Current),
        VersionRef::Native(native),
    ] {
        assert_eq!(
            kind(t.p.destroy(&t.at, &v).await),
            Some(ErrorKind::Conflict)
        );
        assert_eq!(t.current().await.as_deref(), Some(&b"one"[..]));
    }
}

/// The claimed limit is kept, and one byte more is refused before anything changes.
pub async fn values_up_to_the_limit(s: &Subject) {
    let t = s.at("limit");
    let largest = vec![b'x'; t.can.value_bytes_max];
    t.make_current(1, &largest).await;
    assert!(
        t.current().await.as_deref() == Some(&largest[..]),
        "the largest value comes back"
    );
    let larger = vec![b'x'; t.can.value_bytes_max + 1];
    assert_eq!(
        kind(t.try_write(2, &larger).await),
        Some(ErrorKind::Invalid)
    );
    assert_eq!(t.count(Stage::Pending).await, 0);
}

/// Every byte comes back, or is refused; nothing is bent into text.
pub async fn bytes_that_are_not_text(s: &Subject) {
    let t = s.at("binary");
    let all: Vec<u8> = (0..=255).collect();
    match t.can.binary {
        true => {
            t.make_current(1, &all).await;
            assert_eq!(t.current().await.as_deref(), Some(&all[..]));
        }
        false => {
            assert_eq!(kind(t.try_write(1, &all).await), Some(ErrorKind::Invalid));
            assert_eq!(t.stages().await, []);
        }
    }
    let text = "ü \"quoted\" {\"base64\":\"AA==\"} $HOME %41 \\n\ttab".as_bytes();
    t.make_current(2, text).await;
    assert_eq!(t.current().await.as_deref(), Some(text));
}

/// `a`, `a/b` and `a/b/c` are three places.
pub async fn names_with_slashes_are_apart(s: &Subject) {
    let all = [s.at("a"), s.at("a/b"), s.at("a/b/c")];
    for (n, t) in all.iter().enumerate() {
        t.make_current(1, &[b'0' + n as u8]).await;
    }
    for (n, t) in all.iter().enumerate() {
        assert_eq!(t.current().await.as_deref(), Some(&[b'0' + n as u8][..]));
    }
}

/// What may be known of a version stands beside it through its life.
pub async fn public_parts_come_back(s: &Subject) {
    let t = s.at("public");
    let public = Public::from([
        ("kid".to_string(), "key-1".to_string()),
        (
            "jwk".to_string(),
            "{\"kty\":\"OKP\",\"x\":\"a=&%:\\n\"}".to_string(),
        ),
    ]);
    let expected = if t.can.public_parts {
        public.clone()
    } else {
        Public::new()
    };
    t.p.write(&t.at, id(1), &SecretValue::copy_of(b"one"), &public)
        .await
        .expect("write");
    assert_eq!(t.public(1).await, Some(expected.clone()));
    t.make_current_with(1, b"one", &public).await;
    assert_eq!(t.public(1).await, Some(expected.clone()));
    t.make_current(2, b"two").await;
    if t.can.keeps_previous {
        assert_eq!(t.public(1).await, Some(expected));
    }
    assert_eq!(t.public(2).await, Some(Public::new()));
}

/// Missing permission is `Denied`: not absent, not "try again".
pub async fn denied_is_denied(s: &Subject) {
    let Some(denied) = &s.denied else {
        eprintln!("skipped: this subject has no store that denies");
        return;
    };
    let t = s.at("denied");
    t.make_current(1, b"one").await;
    let value = SecretValue::copy_of(b"two");
    let denied_here = Some(ErrorKind::Denied);
    assert_eq!(kind(denied.describe(&t.at).await), denied_here);
    assert_eq!(
        kind(denied.read(&t.at, &VersionRef::Stage(Stage::Current)).await),
        denied_here
    );
    assert_eq!(
        kind(denied.write(&t.at, id(2), &value, &Public::new()).await),
        denied_here
    );
    assert_eq!(kind(denied.promote(&t.at, id(2), None).await), denied_here);
    assert_eq!(
        kind(denied.destroy(&t.at, &VersionRef::Ours(id(2))).await),
        denied_here
    );
}

/// Two who promote different candidates over the same `from`: at most one is told yes (where the
/// store can tell at all), and what stands there is one of the values, whole.
pub async fn one_of_two_writers_wins(s: &Subject) {
    let t = s.at("race");
    t.make_current(1, b"one").await;
    let from = t.native(Stage::Current).await;
    let racer = |n: u128, value: &'static [u8]| {
        let (t, from) = (&t, from.as_ref());
        async move {
            t.try_write(n, value).await?;
            t.p.promote(&t.at, id(n), from).await
        }
    };
    let (a, b) = both(racer(2, b"two"), racer(3, b"three")).await;
    let current = t.current().await.expect("there is a current version");
    match t.can.promote {
        Promote::Atomic | Promote::CheckAndSet => {
            assert!(!(a.is_ok() && b.is_ok()), "both were told that they won");
            let expected: &[u8] = if a.is_ok() {
                b"two"
            } else if b.is_ok() {
                b"three"
            } else {
                b"one"
            };
            assert_eq!(current, expected);
        }
        Promote::DetectAfter | Promote::LastWins => {
            assert!([&b"one"[..], b"two", b"three"].contains(&&current[..]));
        }
    }
    assert_eq!(t.count(Stage::Current).await, 1);
}

/// A process may die at any await, in any method; whoever repeats the call ends where an undisturbed
/// one would, and at every instant readers of current find the old value or the new one.
pub async fn dying_anywhere_and_repeating(s: &Subject) {
    for polls in 0..POLLS_MAX {
        let t = s.at(&format!("dying-{polls}"));
        t.make_current(1, b"one").await;
        t.make_current(2, b"two").await;
        let from = t.native(Stage::Current).await;
        let old_or_new = |t: &Spot| {
            let (p, at) = (t.p.clone(), t.at.clone());
            async move {
                let now = read(&*p, &at, &VersionRef::Stage(Stage::Current))
                    .await
                    .expect("never without a current");
                assert!(now == b"two" || now == b"three", "died after {polls} polls");
            }
        };

        let mut finished = true;
        finished &= dying(polls, t.try_write(3, b"three")).await;
        assert_eq!(
            t.current().await.as_deref(),
            Some(&b"two"[..]),
            "died in write after {polls} polls"
        );
        t.write(3, b"three").await;

        finished &= dying(polls, t.p.promote(&t.at, id(3), from.as_ref())).await;
        old_or_new(&t).await;
        for stage in [Stage::Pending, Stage::Current, Stage::Previous] {
            assert!(
                t.count(stage).await <= 1,
                "{stage:?} twice after {polls} polls"
            );
        }
        let native =
            t.p.promote(&t.at, id(3), from.as_ref())
                .await
                .expect("repeated promote");
        assert_eq!(t.native(Stage::Current).await, Some(native));
        assert_eq!(
            t.count(Stage::Pending).await,
            0,
            "died in promote after {polls} polls"
        );
        if t.can.keeps_previous {
            let previous = t.read(&VersionRef::Stage(Stage::Previous)).await;
            assert_eq!(
                previous.as_deref(),
                Some(&b"two"[..]),
                "died in promote after {polls} polls"
            );
        }

        let previous = VersionRef::Stage(Stage::Previous);
        finished &= dying(polls, t.p.destroy(&t.at, &previous)).await;
        t.p.destroy(&t.at, &previous)
            .await
            .expect("repeated destroy");
        assert_eq!(t.stages().await, [(Stage::Current, id(3))]);
        assert_eq!(t.current().await.as_deref(), Some(&b"three"[..]));
        if finished {
            return;
        }
    }
}

/// Neither descriptions nor errors show a value.
pub async fn no_value_in_what_is_printed(s: &Subject) {
    const CANARY: &[u8] = b"canary-4cb1e7";
    let t = s.at("canary");
    t.make_current(1, CANARY).await;
    t.write(2, b"canary-4cb1e7-pending").await;
    let mut large = CANARY.repeat(t.can.value_bytes_max / CANARY.len() + 1);
    large.push(0xff);
    let printed = [
        format!("{:?}", t.p.describe(&t.at).await),
        format!(
            "{:?}",
            t.p.read(&t.at, &VersionRef::Stage(Stage::Current)).await
        ),
        explain(t.try_write(2, CANARY).await),
        explain(t.try_write(3, &large).await),
        explain(t.p.promote(&t.at, id(9), None).await),
        explain(t.p.promote(&t.at, id(2), None).await),
        explain(t.p.destroy(&t.at, &VersionRef::Ours(id(1))).await),
    ];
    for text in printed {
        assert!(!text.contains("4cb1e7"), "a value was printed");
    }
}

/// More awaits than any provider has in one method.
const POLLS_MAX: usize = 64;

impl Subject {
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

/// Polls `call` so many times and drops it; whether it had ended before.
async fn dying<T>(polls: usize, call: impl Future<Output = T>) -> bool {
    let mut call = pin!(call);
    let mut polled = 0;
    std::future::poll_fn(|cx| {
        if polled == polls {
            return Poll::Ready(false);
        }
        polled += 1;
        call.as_mut().poll(cx).map(|_| true)
    })
    .await
}

/// Both at once, by turns.
async fn both<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut got_a, mut got_b) = (None, None);
    std::future::poll_fn(|cx| {
        if got_a.is_none() {
            got_a = ready(a.as_mut().poll(cx));
        }
        if got_b.is_none() {
            got_b = ready(b.as_mut().poll(cx));
        }
        if got_a.is_some() && got_b.is_some() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    (got_a.expect("ended"), got_b.expect("ended"))
}

fn ready<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
