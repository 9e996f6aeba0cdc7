//! One entry of the audit log: who did what to which secret, where, with what result.
//!
//! An entry is turned into bytes once, at the moment it is appended, and those bytes are what is
//! stored, hashed, exported and verified. `event`, `effect` and error classes are `&'static str`,
//! so no text from outside, and no value, can stand in them.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::canonical;

/// The version of the schema written here.
pub const VERSION: u32 = 1;

/// What an entry says about an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It is about to begin: written before, so that a crash leaves a trace.
    Intent,
    /// How it ended.
    Outcome,
    /// Something was seen: a probe, a drift.
    Observation,
    /// A person decided something.
    Admin,
    /// The process itself: start, stop, configuration, locks.
    System,
}

impl Phase {
    /// The word in the entry; stable.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Outcome => "outcome",
            Self::Observation => "observation",
            Self::Admin => "admin",
            Self::System => "system",
        }
    }
}

/// How an effect ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Done.
    Ok,
    /// Provably not done.
    Rejected,
    /// Unknown.
    Ambiguous,
    /// Was unknown, and was found out by looking.
    Resolved,
    /// Not allowed.
    Denied,
}

impl Outcome {
    /// The word in the entry; stable.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Rejected => "rejected",
            Self::Ambiguous => "ambiguous",
            Self::Resolved => "resolved",
            Self::Denied => "denied",
        }
    }
}

/// Who acted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// `schedule`, `operator`, `recovery`, `system`.
    pub kind: &'static str,
    /// `uid:1000 alice`, `daemon`.
    pub id: String,
}

impl Actor {
    /// The schedule itself.
    pub fn schedule() -> Self {
        Self {
            kind: "schedule",
            id: "daemon".to_owned(),
        }
    }

    /// A process that finds work left by one that died.
    pub fn recovery() -> Self {
        Self {
            kind: "recovery",
            id: "daemon".to_owned(),
        }
    }

    /// The process, for its own life.
    pub fn system() -> Self {
        Self {
            kind: "system",
            id: "keyrota".to_owned(),
        }
    }

    /// A person at a command line.
    pub fn operator(id: impl Into<String>) -> Self {
        Self {
            kind: "operator",
            id: id.into(),
        }
    }
}

/// What was acted on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Object {
    /// The environment.
    pub env: Option<String>,
    /// The secret.
    pub secret: Option<String>,
    /// Its kind.
    pub kind: Option<String>,
    /// The provider's name in the schedule.
    pub provider: Option<String>,
    /// The path in the provider.
    pub path: Option<String>,
}

/// A version and what stands for its value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VersionNote {
    /// Our id or the provider's name for it.
    pub version: Option<String>,
    /// Its fingerprint.
    pub fp: Option<String>,
}

/// Where an entry comes from: filled in by the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The host.
    pub host: String,
    /// The process there.
    pub pid: u32,
    /// The process for good.
    pub instance: Uuid,
    /// The epoch of the lock it was written under; `None` without one.
    pub epoch: Option<i64>,
}

/// An entry's place in the log: filled in by the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The log's id.
    pub chain: Uuid,
    /// From 1, without gaps.
    pub seq: i64,
    /// Microseconds since 1970 UTC.
    pub ts_us: i64,
    /// The size of the newest checkpoint in the state. `audit verify` reports that checkpoint if it is missing later.
    pub signed: Option<i64>,
}

/// An entry before it has a place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// `rotation.set`, `daemon.start`, …: a word of ours.
    pub event: &'static str,
    /// What it says about that.
    pub phase: Phase,
    /// How it ended, where that is known.
    pub outcome: Option<Outcome>,
    /// Who.
    pub actor: Actor,
    /// What.
    pub object: Object,
    /// Which rotation.
    pub rotation: Option<Uuid>,
    /// Which try of the effect, from 1.
    pub attempt: Option<u32>,
    /// Which effect: an intent and what resolves it carry the same rotation and effect.
    pub effect: Option<&'static str>,
    /// The version before.
    pub before: Option<VersionNote>,
    /// The version after.
    pub after: Option<VersionNote>,
    /// Why, in a person's words or ours.
    pub reason: Option<String>,
    /// What kind of failure.
    pub error: Option<&'static str>,
    /// What this event has to say beside that: a consumer's name, a digest, a deadline.
    pub detail: Vec<(&'static str, String)>,
}

impl NewEntry {
    /// An entry that says only this.
    pub fn new(event: &'static str, phase: Phase, actor: Actor) -> Self {
        Self {
            event,
            phase,
            outcome: None,
            actor,
            object: Object::default(),
            rotation: None,
            attempt: None,
            effect: None,
            before: None,
            after: None,
            reason: None,
            error: None,
            detail: Vec::new(),
        }
    }

    /// Says how it ended.
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = Some(outcome);
        self
    }

    /// Says what it was about.
    pub fn object(mut self, object: Object) -> Self {
        self.object = object;
        self
    }

    /// Says which environment and secret it was about.
    pub fn secret(mut self, env: &str, secret: &str) -> Self {
        self.object.env = Some(env.to_owned());
        self.object.secret = Some(secret.to_owned());
        self
    }

    /// Says which rotation it belongs to.
    pub fn rotation(mut self, id: Uuid) -> Self {
        self.rotation = Some(id);
        self
    }

    /// Says which effect of the rotation, and which try of it (from 1).
    pub fn effect(mut self, effect: &'static str, attempt: u32) -> Self {
        self.effect = Some(effect);
        self.attempt = Some(attempt);
        self
    }

    /// Says what was current before.
    pub fn before(mut self, version: Option<String>, fp: Option<String>) -> Self {
        self.before = Some(VersionNote { version, fp });
        self
    }

    /// Says what is current, or pending, after.
    pub fn after(mut self, version: Option<String>, fp: Option<String>) -> Self {
        self.after = Some(VersionNote { version, fp });
        self
    }

    /// Says why.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Says what kind of failure it was.
    pub fn error(mut self, class: &'static str) -> Self {
        self.error = Some(class);
        self
    }

    /// Adds something particular to this event.
    pub fn detail(mut self, key: &'static str, what: impl Into<String>) -> Self {
        self.detail.push((key, what.into()));
        self
    }

    /// The bytes of the entry at `at`: canonical JSON (RFC 8785).
    pub fn body(&self, at: &Position, origin: &Origin) -> Vec<u8> {
        let mut root = Map::new();
        put(&mut root, "v", Some(VERSION.into()));
        put(&mut root, "chain", Some(at.chain.to_string().into()));
        put(&mut root, "seq", Some(at.seq.into()));
        put(&mut root, "ts_us", Some(at.ts_us.into()));
        put(&mut root, "signed", at.signed.map(Value::from));
        put(&mut root, "event", Some(self.event.into()));
        put(&mut root, "phase", Some(self.phase.as_str().into()));
        put(
            &mut root,
            "outcome",
            self.outcome.map(|o| o.as_str().into()),
        );
        put(
            &mut root,
            "actor",
            object([
                ("type", Some(self.actor.kind.into())),
                ("id", text(&self.actor.id)),
            ]),
        );
        put(
            &mut root,
            "origin",
            object([
                ("host", text(&origin.host)),
                ("pid", Some(origin.pid.into())),
                ("version", Some(env!("CARGO_PKG_VERSION").into())),
                ("instance", Some(origin.instance.to_string().into())),
                ("epoch", origin.epoch.map(Value::from)),
            ]),
        );
        let o = &self.object;
        let parts = [
            ("env", &o.env),
            ("secret", &o.secret),
            ("kind", &o.kind),
            ("provider", &o.provider),
            ("path", &o.path),
        ];
        put(
            &mut root,
            "object",
            object(parts.map(|(k, v)| (k, v.clone().map(Value::from)))),
        );
        put(
            &mut root,
            "rotation",
            self.rotation.map(|r| r.to_string().into()),
        );
        put(&mut root, "attempt", self.attempt.map(Value::from));
        put(&mut root, "effect", self.effect.map(Value::from));
        put(&mut root, "before", self.before.as_ref().and_then(note));
        put(&mut root, "after", self.after.as_ref().and_then(note));
        put(&mut root, "reason", self.reason.clone().map(Value::from));
        put(
            &mut root,
            "error",
            object([("class", self.error.map(Value::from))]),
        );
        let detail: Map<String, Value> = self
            .detail
            .iter()
            .map(|(k, v)| ((*k).to_owned(), v.clone().into()))
            .collect();
        put(
            &mut root,
            "detail",
            (!detail.is_empty()).then_some(Value::Object(detail)),
        );
        canonical::write(&Value::Object(root))
            .expect("an entry is built from strings and integers only")
    }
}

fn text(s: &str) -> Option<Value> {
    Some(s.into())
}

fn note(n: &VersionNote) -> Option<Value> {
    object([
        ("version", n.version.clone().map(Value::from)),
        ("fp", n.fp.clone().map(Value::from)),
    ])
}

/// An object of what is there; `None` if nothing is.
fn object<const N: usize>(parts: [(&str, Option<Value>); N]) -> Option<Value> {
    let mut map = Map::new();
    for (key, value) in parts {
        put(&mut map, key, value);
    }
    (!map.is_empty()).then_some(Value::Object(map))
}

fn put(map: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        map.insert(key.to_owned(), value);
    }
}
