//! Settle and grace: derived from what the file states, and never shorter than that.

use std::time::Duration;

use super::model::{Consumer, Source, Waits};
use super::read::{Reader, Section, join};
use super::registry::{Readers, SecretFacts, Sum};
use super::words::{say_duration, write_duration};

const SKEW: Duration = Duration::from_secs(60);

/// The waits of a secret; a stated one below its sum is a problem.
pub fn waits(
    reader: &mut Reader<'_>,
    s: &Section<'_>,
    facts: &SecretFacts,
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
    if !facts.rotates() {
        return nothing;
    }
    check_refresh(reader, s, consumers);
    let complete = s.get("refresh").is_some();
    let mut chosen = |key: &str, sum: &Sum| {
        let least = sum.of(refresh, skew);
        match s.duration(key) {
            Some(stated) => {
                if complete && stated < least {
                    let fits = write_duration(least);
                    let what = format!(
                        "{} is shorter than {} = {}",
                        say_duration(stated),
                        sum.words,
                        say_duration(least)
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
            None => (least, Source::Derived(sum.words)),
        }
    };
    let (mut grace, mut grace_from) = chosen("grace", &facts.grace);
    if let Some(usual) = facts.grace_usual
        && grace_from != Source::Stated
        && grace < usual
    {
        (grace, grace_from) = (usual, Source::Derived("24h"));
    }
    let settle = facts.settle.iter().fold(Sum::ZERO, |longest, sum| {
        match sum.of(refresh, skew) > longest.of(refresh, skew) {
            true => *sum,
            false => longest,
        }
    });
    let (settle, settle_from) = match facts.announce {
        true => chosen("settle", &settle),
        false => (Duration::ZERO, Source::Derived("0s")),
    };
    if !facts.announce && s.duration("settle").is_some_and(|d| !d.is_zero()) {
        let help =
            "leave it out: there is no other reader that would have to accept the new key first";
        reader.error(
            s.spot_of("settle"),
            &join(&s.at, "settle"),
            "no reader learns the new key in advance, so there is nothing to wait for",
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
