//! Settle and grace: derived from what the file states, and never shorter than that.

use std::time::Duration;

use super::model::{Consumer, Kind, Source, Verifiers, Waits};
use super::read::{Reader, Section, join};
use super::registry::Readers;
use super::words::{say_duration, write_duration};

const SKEW: Duration = Duration::from_secs(60);
const DATABASE_GRACE: Duration = Duration::from_secs(24 * 3600);

/// A least duration and the sum it comes from, in the file's words.
struct Least {
    wait: Duration,
    sum: &'static str,
}

/// The waits of a secret; a stated one below its sum is a problem.
pub fn waits(
    reader: &mut Reader<'_>,
    s: &Section<'_>,
    kind: &Kind,
    announce: bool,
    fallback: bool,
    consumers: &[Consumer],
) -> Waits {
    let skew = s.duration("skew").unwrap_or(SKEW);
    let refresh = s.duration("refresh").unwrap_or_default();
    let nothing = Waits {
        settle: Duration::ZERO,
        settle_from: Source::Derived("0s"),
        grace: Duration::ZERO,
        grace_from: Source::Derived("0s"),
        refresh,
        skew,
    };
    if matches!(kind, Kind::External(_)) {
        return nothing;
    }
    check_refresh(reader, s, consumers);
    let (settle, grace) = least(kind, fallback, refresh, skew);
    let complete = s.get("refresh").is_some();
    let mut chosen = |key: &str, least: &Least| match s.duration(key) {
        Some(stated) => {
            if complete && stated < least.wait {
                let fits = write_duration(least.wait);
                let what = format!(
                    "{} is shorter than {} = {}",
                    say_duration(stated),
                    least.sum,
                    say_duration(least.wait)
                );
                reader.error(
                    s.spot_of(key),
                    &join(&s.at, key),
                    what,
                    format!("write {key} = \"{fits}\" or more, or leave it out"),
                );
            }
            (stated, Source::Stated)
        }
        None => (least.wait, Source::Derived(least.sum)),
    };
    let (mut grace, mut grace_from) = chosen("grace", &grace);
    // Programs that hold a connection pool read a changed URL when they feel like it.
    if grace_from != Source::Stated
        && kind.database().is_some_and(|d| !d.accept_gap)
        && grace < DATABASE_GRACE
    {
        (grace, grace_from) = (DATABASE_GRACE, Source::Derived("24h"));
    }
    let (settle, settle_from) = match announce {
        true => chosen("settle", &settle),
        false => (Duration::ZERO, Source::Derived("0s")),
    };
    if !announce && s.duration("settle").is_some_and(|d| !d.is_zero()) {
        let help =
            "leave it out: there is no other reader that would have to accept the new key first";
        reader.error(
            s.spot_of("settle"),
            &join(&s.at, "settle"),
            "nobody is announced to, so there is nothing to wait for",
            help,
        );
    }
    Waits {
        settle,
        settle_from,
        grace,
        grace_from,
        refresh,
        skew,
    }
}

fn least(kind: &Kind, fallback: bool, refresh: Duration, skew: Duration) -> (Least, Least) {
    match kind {
        Kind::Jwt(jwt) => {
            let published = Least {
                wait: jwt.jwks_max_age.saturating_add(skew),
                sum: "jwks_max_age + skew",
            };
            let read = Least {
                wait: refresh.saturating_add(skew),
                sum: "refresh + skew",
            };
            let settle = match (jwt.algorithm.is_asymmetric(), fallback) {
                (true, true) if read.wait > published.wait => read,
                (true, _) => published,
                (false, _) => read,
            };
            let grace = match jwt.accept_invalidation {
                true => Least {
                    wait: refresh,
                    sum: "refresh",
                },
                false => Least {
                    wait: jwt.token_ttl.saturating_add(refresh).saturating_add(skew),
                    sum: "token_ttl + refresh + skew",
                },
            };
            (settle, grace)
        }
        Kind::SigningKey(key) => {
            let settle = match key.verifiers {
                Verifiers::Fallback => Least {
                    wait: refresh.saturating_add(skew),
                    sum: "refresh + skew",
                },
                Verifiers::SelfOnly => Least {
                    wait: Duration::ZERO,
                    sum: "0s",
                },
            };
            (
                settle,
                Least {
                    wait: key
                        .signature_ttl
                        .saturating_add(refresh)
                        .saturating_add(skew),
                    sum: "signature_ttl + refresh + skew",
                },
            )
        }
        Kind::Postgres(database) | Kind::Mysql(database) => (
            Least {
                wait: Duration::ZERO,
                sum: "0s",
            },
            // With a gap the old password is dead already.
            match database.accept_gap {
                true => Least {
                    wait: Duration::ZERO,
                    sum: "0s",
                },
                false => Least {
                    wait: refresh,
                    sum: "refresh",
                },
            },
        ),
        Kind::Random(_) | Kind::Command(_) | Kind::External(_) => (
            Least {
                wait: Duration::ZERO,
                sum: "0s",
            },
            Least {
                wait: refresh,
                sum: "refresh",
            },
        ),
    }
}

/// `refresh` is a promise only the file's author can make; none is needed where every consumer
/// says itself that it has the new value.
fn check_refresh(reader: &mut Reader<'_>, s: &Section<'_>, consumers: &[Consumer]) {
    let Some(refresh) = s.duration("refresh") else {
        if !s.has("refresh") && !reader.broken {
            let help = "add refresh = \"10m\" here or in [defaults]: how long until every reader surely re-read a changed value";
            reader.error(s.spot, &s.at, "`refresh` is missing", help);
        }
        return;
    };
    // A file does not say when it was read; a required program called after it does.
    let told_last = consumers
        .iter()
        .rposition(|c| c.required && c.facts.readers == Readers::Notified);
    let silent = consumers
        .iter()
        .enumerate()
        .any(|(i, c)| match c.facts.readers {
            Readers::Notified => !c.required,
            Readers::Later => !c.required || told_last.is_none_or(|last| last < i),
            Readers::Verifiers => false,
        });
    if refresh.is_zero() && silent {
        let help = "write how long its readers need, or add a required command consumer after the file that reloads them";
        reader.error(
            s.spot_of("refresh"),
            &join(&s.at, "refresh"),
            "0s, and not every consumer acknowledges that it has read the value",
            help,
        );
    }
}
