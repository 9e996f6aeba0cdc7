//! What holds when others write, permissions are missing and processes die.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use super::{Spot, Subject, explain, id, kind, read};
use crate::{ErrorKind, Promote, Public, SecretValue, Stage, VersionRef};

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
    assert_eq!(kind(denied.preflight(&t.at).await), denied_here);
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
        let stages = t.stages().await;
        for (n, (stage, version)) in stages.iter().enumerate() {
            let twice = stages[..n].iter().any(|(s, v)| s == stage || v == version);
            assert!(!twice, "{stage:?} after {polls} polls: {stages:?}");
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
