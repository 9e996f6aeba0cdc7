//! What the engine writes into the audit log.

use keyrota_rotation::{Decision, Effect, Outcome, Phase, Probed, Reply, Time, Which};

use super::failure;
use super::journal::Journal;
use super::performed::Performed;
use crate::audit::{self, Actor, NewEntry, Object};
use crate::config::model::Secret;
use crate::state::Rotation;

/// The rotation that an entry is about.
pub(super) struct Subject<'a> {
    /// Its secret.
    pub secret: &'a Secret,
    /// Its row in the state.
    pub row: &'a Rotation,
    /// What the state keeps of it.
    pub journal: &'a Journal,
    /// Until when it waits.
    pub until: Option<Time>,
}

/// An effect is about to begin.
pub(super) fn intent(of: &Subject<'_>, effect: &Effect) -> NewEntry {
    about(of, event(effect), audit::Phase::Intent, effect)
}

/// What came of it.
pub(super) fn outcome(
    of: &Subject<'_>,
    effect: Option<&Effect>,
    performed: &Performed,
) -> NewEntry {
    let (name, phase) = match effect {
        Some(effect) => (event(effect), audit::Phase::Outcome),
        None => ("rotation.effect", audit::Phase::Outcome),
    };
    let mut entry = match effect {
        Some(effect) => about(of, name, phase, effect),
        None => base(of, name, phase),
    };
    let (outcome, class) = failure::logged(performed.reply);
    entry = entry.outcome(outcome);
    if let Reply::Probed(probed) = performed.reply {
        entry = entry.detail("probe", word(probed));
    }
    if performed.reply == Reply::Lost {
        entry.actor = Actor::recovery();
    }
    match performed.failure.filter(|why| !why.is_empty()) {
        Some(why) => entry.error(class).detail("why", why),
        None => entry,
    }
}

/// The rotation moved on without an effect.
pub(super) fn phase(of: &Subject<'_>, event: &'static str) -> NewEntry {
    base(of, event, audit::Phase::System).detail("phase", of.journal.machine.phase.name())
}

/// A person decided.
pub(super) fn decision(
    of: &Subject<'_>,
    decision: Decision,
    by: &str,
    reason: Option<&str>,
) -> NewEntry {
    let name = match decision {
        Decision::Confirm => "rotation.confirm",
        Decision::Resume => "rotation.resume",
        Decision::Abandon => "rotation.abandon",
        Decision::RetireNow => "rotation.retire-now",
        Decision::Compromised => "rotation.compromised",
    };
    let mut entry =
        base(of, name, audit::Phase::Admin).detail("phase", of.journal.machine.phase.name());
    entry.actor = Actor::operator(by);
    match reason {
        Some(reason) => entry.reason(reason),
        None => entry,
    }
}

/// The current value is not the one that keyrota knows.
pub(super) fn drift(of: &Subject<'_>, known: Option<String>, found: Option<String>) -> NewEntry {
    base(of, "drift.detected", audit::Phase::Observation)
        .before(None, known)
        .after(of.journal.from.clone(), found)
}

/// The rotation has ended.
pub(super) fn done(of: &Subject<'_>, outcome: Outcome) -> NewEntry {
    let journal = of.journal;
    let row = of.row;
    let entry = base(of, "rotation.done", audit::Phase::System)
        .before(journal.from.clone(), journal.from_fingerprint.clone())
        .detail(
            "result",
            row.outcome.map_or("", crate::state::Outcome::as_str),
        );
    match outcome {
        Outcome::Rotated => entry
            .outcome(audit::Outcome::Ok)
            .after(row.version.map(|v| v.to_string()), row.fingerprint.clone()),
        Outcome::Abandoned => entry
            .outcome(audit::Outcome::Rejected)
            .after(journal.from.clone(), journal.from_fingerprint.clone()),
    }
}

fn about(of: &Subject<'_>, name: &'static str, phase: audit::Phase, effect: &Effect) -> NewEntry {
    let journal = of.journal;
    let entry =
        base(of, name, phase).effect(effect.name(), journal.machine.tries.saturating_add(1));
    match effect {
        Effect::Deliver { round, listener } => entry
            .detail("consumer", listener.as_str())
            .detail("round", round.name()),
        Effect::Probe(which)
        | Effect::Destroy(which)
        | Effect::Install(which)
        | Effect::Refuse(which) => entry.detail("which", role(*which)),
        Effect::Promote => entry
            .before(journal.from.clone(), journal.from_fingerprint.clone())
            .after(
                of.row.version.map(|v| v.to_string()),
                of.row.fingerprint.clone(),
            ),
        _ => entry,
    }
}

fn base(of: &Subject<'_>, name: &'static str, phase: audit::Phase) -> NewEntry {
    let (row, secret) = (of.row, of.secret);
    let actor = match row.trigger.as_str() {
        "schedule" => Actor::schedule(),
        _ => Actor::operator(row.actor.clone()),
    };
    let mut entry = NewEntry::new(name, phase, actor)
        .rotation(row.id)
        .object(object(&row.env, secret));
    entry.reason = row.reason.clone().or_else(|| Some(row.trigger.clone()));
    if let (Phase::Settle { .. } | Phase::Grace { .. }, Some(until)) =
        (&of.journal.machine.phase, of.until)
    {
        return entry.detail("until_ms", until.0.to_string());
    }
    entry
}

/// What an entry about a secret names.
pub(super) fn object(env: &str, secret: &Secret) -> Object {
    Object {
        env: Some(env.to_owned()),
        secret: Some(secret.name.clone()),
        kind: Some(secret.kind.word.to_owned()),
        provider: Some(secret.provider.clone()),
        path: Some(secret.path.clone()),
    }
}

fn event(effect: &Effect) -> &'static str {
    match effect {
        Effect::Preflight => "rotation.preflight",
        Effect::Create => "rotation.create",
        Effect::Install(Which::Current) => "rotation.restore",
        Effect::Install(_) => "rotation.set",
        Effect::Quiesce => "rotation.quiesce",
        Effect::Probe(_) => "rotation.probe",
        Effect::Deliver { .. } => "rotation.deliver",
        Effect::ObservePublished => "rotation.observe-published",
        Effect::Promote => "rotation.promote",
        Effect::ObserveCurrent => "rotation.observe-current",
        Effect::Refuse(_) => "rotation.refuse",
        Effect::Destroy(_) => "rotation.destroy",
    }
}

fn role(which: Which) -> &'static str {
    match which {
        Which::Current => "current",
        Which::Pending => "pending",
        Which::Previous => "previous",
    }
}

fn word(probed: Probed) -> &'static str {
    match probed {
        Probed::Accepted => "accepted",
        Probed::Blocked => "blocked",
        Probed::Rejected => "rejected",
        Probed::Unknown => "unknown",
    }
}
