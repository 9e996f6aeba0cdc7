//! One call of the program: what it is told, and what its words mean.

use keyrota_contract::{Material, RotatorError, SecretValue, Which};
use keyrota_local::FileLock;
use serde::Deserialize;
use uuid::Uuid;

use super::super::material::pick;
use super::settings::Command;
use crate::child::{Ended, Heard, NotText, Scrubber, document};

/// What the program is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Preflight,
    Accept,
    Activate,
    Verify,
    Query,
    Revoke,
    Quiesce,
}

impl Phase {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::Accept => "accept",
            Self::Activate => "activate",
            Self::Verify => "verify",
            Self::Query => "query",
            Self::Revoke => "revoke",
            Self::Quiesce => "quiesce",
        }
    }
}

/// What the program is told: no more values than the phase needs.
pub(super) struct Call<'a> {
    phase: Phase,
    rotation: Option<Uuid>,
    /// The name of the value that the phase is about.
    about: Option<&'static str>,
    values: Vec<(&'static str, &'a SecretValue)>,
    /// Whose other secrets it gets.
    uses: Option<&'a Material>,
}

impl<'a> Call<'a> {
    /// A change: with the values that are accepted, since a program may have to log in by one.
    pub(super) fn about(
        phase: Phase,
        which: Which,
        rotation: Option<Uuid>,
        m: &'a Material,
    ) -> Self {
        let needed = |w: &Which| *w != Which::Previous || which == Which::Previous;
        let values = ALL.into_iter().filter(needed);
        Self {
            phase,
            rotation,
            about: Some(name(which)),
            values: values
                .filter_map(|w| Some((name(w), &pick(w, m)?.value)))
                .collect(),
            uses: Some(m),
        }
    }

    /// A question about one value. `query` looks into the target and may need other secrets for
    /// that; `verify` does what an application does, which has no others.
    pub(super) fn asking(
        phase: Phase,
        which: Which,
        value: &'a SecretValue,
        rotation: Option<Uuid>,
        m: &'a Material,
    ) -> Self {
        Self {
            phase,
            rotation,
            about: Some(name(which)),
            values: vec![(name(which), value)],
            uses: (phase == Phase::Query).then_some(m),
        }
    }

    /// Before anything begins.
    pub(super) fn optional(phase: Phase, m: &'a Material) -> Self {
        let current = m.current.iter().map(|v| (name(Which::Current), &v.value));
        Self {
            phase,
            rotation: None,
            about: None,
            values: current.collect(),
            uses: Some(m),
        }
    }

    /// About an earlier call.
    pub(super) fn quiesce(rotation: Uuid, m: &'a Material) -> Self {
        Self {
            rotation: Some(rotation),
            values: Vec::new(),
            ..Self::optional(Phase::Quiesce, m)
        }
    }
}

impl Command {
    /// Makes a call and logs what the program said, without values.
    pub(super) async fn call(
        &self,
        call: &Call<'_>,
        lock: Option<&FileLock>,
    ) -> Result<Ended, RotatorError> {
        let mut uses = Vec::new();
        for name in self.uses.iter().filter(|_| call.uses.is_some()) {
            let version = call.uses.and_then(|m| m.uses.get(name));
            let version = version.ok_or(RotatorError::Retry(
                "the value of another secret that the program needs cannot be read",
            ))?;
            uses.push((name.as_str(), &version.value));
        }
        let head = serde_json::json!({
            "schema_version": 1,
            "phase": call.phase.as_str(),
            "environment": self.environment,
            "secret": self.secret,
            "rotation": call.rotation,
            "value": call.about,
        });
        let scrubber = Scrubber::new(call.values.iter().chain(&uses).map(|(_, value)| *value));
        let values = call
            .values
            .iter()
            .map(|(name, value)| (*name, Some(*value)));
        let parts = [
            ("values", values.collect()),
            (
                "uses",
                uses.iter()
                    .map(|(name, value)| (*name, Some(*value)))
                    .collect(),
            ),
        ];
        let message =
            document(&head, &parts).map_err(|NotText| RotatorError::Refused(NotText::SENTENCE))?;
        let ended = self.program.run(&message, lock).await?;
        for (stream, said) in ended.said(&scrubber) {
            tracing::debug!(
                environment = self.environment,
                secret = self.secret,
                phase = call.phase.as_str(),
                code = ended.end.code(),
                stream,
                %said,
                "a rotator's program"
            );
        }
        Ok(ended)
    }
}

/// The rotation that the newest value belongs to, if keyrota made it.
pub(super) fn rotation(m: &Material) -> Option<Uuid> {
    let newest = m.pending.as_ref().or(m.current.as_ref());
    newest.and_then(|version| version.id)
}

/// What the answer to a query about one value says. An answer that is not the one document, or
/// names a value that was not given, says nothing: a wrong guess here could end a value in use.
pub(super) fn accepted(asked: Which, heard: &Heard) -> keyrota_contract::Probe {
    use keyrota_contract::Probe;
    let answer = serde_json::from_slice::<Answer>(&heard.bytes);
    match answer {
        Ok(answer) if !heard.cut => match answer.accepted.as_slice() {
            [] => Probe::Rejected,
            [one] if one.which() == asked => Probe::Accepted,
            _ => Probe::Unknown,
        },
        _ => Probe::Unknown,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    accepted: Vec<Name>,
}

/// No text is taken from the answer: it could be a value.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Name {
    Current,
    Pending,
    Previous,
}

impl Name {
    fn which(&self) -> Which {
        match self {
            Self::Current => Which::Current,
            Self::Pending => Which::Pending,
            Self::Previous => Which::Previous,
        }
    }
}

fn name(which: Which) -> &'static str {
    match which {
        Which::Current => "current",
        Which::Pending => "pending",
        Which::Previous => "previous",
    }
}

const ALL: [Which; 3] = [Which::Current, Which::Pending, Which::Previous];
