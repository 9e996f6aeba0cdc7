//! A world in which a rotation happens: a provider, a target, consumers and readers, all of them
//! numbers. It performs effects, with faults, and knows what must never be the case.

#![allow(
    dead_code,
    reason = "two test binaries share this world, and each uses its part"
)]
#![allow(clippy::print_stdout, reason = "a trace is for whoever runs the test")]

use std::collections::{BTreeMap, BTreeSet};

use keyrota_rotation::{
    Change, Effect, Event, Finishing, Listener, Moment, Outcome, Overlap, Phase, Policy, Probed,
    Record, Reply, Round, Setting, Time, Todo, Undoing, Which,
};

/// What goes wrong at one effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process dies after the intent, before the effect.
    CrashBefore,
    /// The process dies after the effect, before anything is written.
    CrashAfter,
    /// "Try again", nothing happened.
    RetryBefore,
    /// "Wait", nothing was begun.
    Held,
    /// "Try again", although it happened.
    RetryAfter,
    /// No answer; it happened.
    AmbiguousDone,
    /// No answer; it did not happen.
    AmbiguousNot,
    /// No answer; it happens later, unless it is made quiet before.
    AmbiguousLate,
    /// Refused for good.
    Refused,
}

pub const FAULTS: [Fault; 9] = [
    Fault::CrashBefore,
    Fault::CrashAfter,
    Fault::RetryBefore,
    Fault::Held,
    Fault::RetryAfter,
    Fault::AmbiguousDone,
    Fault::AmbiguousNot,
    Fault::AmbiguousLate,
    Fault::Refused,
];

type Version = u32;

/// What one consumer's program uses and accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct View {
    current: Version,
    fallback: Option<Version>,
}

impl View {
    fn accepts(self, v: Version) -> bool {
        self.current == v || self.fallback == Some(v)
    }
}

pub struct World {
    pub record: Record,
    /// The wall clock, as the machine is told it.
    pub now: Time,
    /// How far the wall clock is behind the time that readers live in, in milliseconds.
    pub behind_ms: u64,
    /// How long a reader that polls the provider may hold what it read, in milliseconds.
    pub refresh_ms: u64,
    minted: Version,
    current: Version,
    pending: Option<Version>,
    previous: Option<Version>,
    /// Refused by the target for a reason: what it accepts now.
    accepted: BTreeSet<Version>,
    /// An install that was sent and may still take effect.
    late: Option<Version>,
    /// Of the program behind each listener of the schedule, by key. `None`: it has not been notified
    /// as the schedule now asks.
    views: BTreeMap<String, Option<View>>,
    /// What the provider showed, and from when on.
    shown: Vec<(Time, View)>,
    tested: BTreeSet<Version>,
    /// The first install was sent; with one value at a time the gap begins.
    gap: bool,
    /// What was current before this rotation.
    began_with: Version,
    /// The candidate of this rotation became current.
    promoted: bool,
    /// Since when every required consumer accepts the candidate.
    ready_since: Option<Time>,
    /// Since when every required consumer uses what this rotation made current.
    switched_since: Option<Time>,
    /// Grace is over.
    retiring: bool,
    refused_forward: bool,
    /// Takes every record through its written form; slow.
    pub through_text: bool,
    /// How many things have happened; the dice.
    steps: u64,
    traced: bool,
    /// A person cut the waits of this rotation short.
    hurried: bool,
    /// Until then some reader may still hold what a hurried rotation showed.
    calm_from: Time,
}

/// The version that stands before the first rotation.
const OLD: Version = 1;
/// There is none yet.
const NONE: Version = 0;

impl World {
    pub fn new(policy: Policy) -> Self {
        let first = if policy.first { NONE } else { OLD };
        let old = View {
            current: first,
            fallback: None,
        };
        Self {
            views: keys(&policy).map(|key| (key, Some(old))).collect(),
            record: Record::new(policy),
            now: Time(0),
            behind_ms: 0,
            refresh_ms: 0,
            minted: OLD,
            current: first,
            pending: None,
            previous: None,
            accepted: BTreeSet::from([first]),
            late: None,
            shown: vec![(Time(i64::MIN / 2), old)],
            tested: BTreeSet::from([first]),
            gap: false,
            began_with: first,
            promoted: false,
            ready_since: None,
            switched_since: None,
            retiring: false,
            refused_forward: false,
            through_text: false,
            steps: 0,
            traced: false,
            hurried: false,
            calm_from: Time(i64::MIN),
        }
    }

    /// The next rotation of the same secret.
    pub fn again(&mut self, policy: Policy) {
        self.list(&policy);
        self.record = Record::new(policy);
        (self.gap, self.promoted, self.retiring) = (false, false, false);
        if self.hurried {
            self.calm_from = self.real().plus(self.refresh_ms + 1);
        }
        (self.ready_since, self.switched_since) = (None, None);
        (self.refused_forward, self.hurried) = (false, false);
        self.began_with = self.current;
    }

    /// Takes the record through serialisation, as the state does.
    fn write_down(&mut self, record: Record) {
        self.steps += 1;
        if self.through_text {
            let text = serde_json::to_string(&record).unwrap();
            self.record = serde_json::from_str(&text).unwrap();
            assert_eq!(self.record, record, "what is written down is what is read");
        } else {
            self.record = record;
        }
    }

    /// Prints what happens.
    pub fn traced(mut self) -> Self {
        self.traced = true;
        self
    }

    fn tell(&self, line: impl FnOnce() -> String) {
        if self.traced {
            println!("{}", line());
        }
    }

    fn real(&self) -> Time {
        self.now.plus(self.behind_ms)
    }

    pub fn moment(&self) -> Moment {
        Moment {
            now: self.now,
            dice: self.steps * 7919,
        }
    }

    pub fn event(&mut self, event: Event) {
        let next = self
            .record
            .clone()
            .step(event, self.moment())
            .unwrap_or_else(|illegal| panic!("{illegal}"));
        if matches!(
            event,
            Event::Decided(
                keyrota_rotation::Decision::Compromised | keyrota_rotation::Decision::RetireNow
            )
        ) {
            self.hurried = true;
        }
        self.tell(|| format!("{event:?} -> {:?}", next.phase));
        let before = self.record.phase.clone();
        self.write_down(next);
        self.note_phase(&before);
    }

    /// Does what the record asks for; `fault` strikes if that is an effect. Returns whether an
    /// effect was begun, or `None` when nothing will ever happen by itself.
    pub fn advance(&mut self, fault: Option<Fault>) -> Option<bool> {
        match self.record.todo(self.now) {
            Todo::Effect(effect) => {
                self.write_down(self.record.clone().begin());
                self.tell(|| format!("{effect:?} {fault:?}"));
                if self.record.phase == Phase::Set(Setting::Install) {
                    self.gap = true;
                }
                if let Some(reply) = self.perform(&effect, fault) {
                    self.event(Event::Reply(reply));
                }
                Some(true)
            }
            Todo::Recover => {
                self.event(Event::Reply(Reply::Lost));
                Some(false)
            }
            Todo::Wake => {
                self.event(Event::Wake);
                Some(false)
            }
            Todo::Wait { until, .. } => {
                // What was sent long ago takes effect while nobody looks.
                self.land();
                self.now = until;
                Some(false)
            }
            Todo::Confirm | Todo::Person | Todo::Over(_) => None,
        }
    }

    /// `None`: the process died.
    fn perform(&mut self, effect: &Effect, fault: Option<Fault>) -> Option<Reply> {
        let way_back = matches!(
            self.record.phase,
            Phase::Finish(_)
                | Phase::Switch(_)
                | Phase::Retire(_)
                | Phase::Restore(_)
                | Phase::Undo(_)
        );
        match fault {
            Some(Fault::CrashBefore) => None,
            Some(Fault::RetryBefore) => Some(Reply::Retry),
            Some(Fault::Held) => Some(Reply::Held),
            Some(Fault::AmbiguousNot) => Some(Reply::Ambiguous),
            Some(Fault::Refused) => {
                self.refused_forward |= way_back;
                Some(Reply::Refused)
            }
            Some(Fault::AmbiguousLate) => {
                match effect {
                    Effect::Install(which) => self.late = self.version(*which),
                    other => drop(self.happen(other)),
                }
                Some(Reply::Ambiguous)
            }
            None => Some(self.happen(effect)),
            Some(Fault::CrashAfter) => {
                self.happen(effect);
                None
            }
            Some(Fault::RetryAfter) => {
                self.happen(effect);
                Some(Reply::Retry)
            }
            Some(Fault::AmbiguousDone) => {
                self.happen(effect);
                Some(Reply::Ambiguous)
            }
        }
    }

    /// What a person does before giving up a way back that failed for good.
    pub fn end_the_candidate_by_hand(&mut self) {
        let Phase::Stuck { was } = &self.record.phase else {
            return;
        };
        let Phase::Undo(step) = was.as_ref() else {
            return;
        };
        let destroys = *step == Undoing::Destroy;
        if let Some(candidate) = self.pending {
            self.accepted.remove(&candidate);
        }
        self.late = None;
        for view in self.views.values_mut().flatten() {
            view.fallback = None;
        }
        if destroys {
            self.pending = None;
            self.show();
        }
    }

    fn version(&self, which: Which) -> Option<Version> {
        match which {
            Which::Current => Some(self.current),
            Which::Pending => self.pending,
            Which::Previous => self.previous,
        }
    }

    fn happen(&mut self, effect: &Effect) -> Reply {
        match effect {
            Effect::Preflight | Effect::ObservePublished => {}
            Effect::Create => {
                if self.pending.is_none() {
                    let live = self
                        .accepted
                        .iter()
                        .filter(|v| **v != self.current && Some(**v) != self.previous)
                        .count();
                    assert!(
                        live == 0 || !self.record.policy.target,
                        "a second value while one may live"
                    );
                    assert!(
                        self.late.is_none(),
                        "a second value while an install may still land"
                    );
                    self.minted += 1;
                    self.pending = Some(self.minted);
                    self.show();
                }
            }
            Effect::Install(which) => {
                let v = self.version(*which).expect("what is installed is stored");
                self.install(v);
            }
            Effect::Quiesce => self.late = None,
            Effect::Probe(which) => {
                let Some(v) = self.version(*which) else {
                    panic!("{which:?} is probed and lost")
                };
                let works = !self.record.policy.target || self.accepted.contains(&v);
                if works && *which == Which::Pending {
                    self.tested.insert(v);
                }
                return Reply::Probed(if works {
                    Probed::Accepted
                } else {
                    Probed::Rejected
                });
            }
            Effect::Deliver { round, listener } => {
                let view = View {
                    current: self.current,
                    fallback: match round {
                        Round::Announce => self.pending,
                        Round::Switch => self.previous,
                        Round::Withdraw => None,
                    },
                };
                let known = self.views.get_mut(listener);
                *known.expect("only listeners of the schedule are notified") = Some(view);
            }
            Effect::Promote => {
                if let Some(v) = self.pending.take() {
                    assert!(
                        !self.verified() || self.required(|view| view.accepts(v)),
                        "what becomes current, every required verifier accepts"
                    );
                    self.previous = Some(self.current).filter(|v| *v != NONE);
                    self.current = v;
                    self.promoted = true;
                    self.show();
                }
            }
            Effect::ObserveCurrent => {
                let is = self.pending.is_none();
                return Reply::Probed(if is {
                    Probed::Accepted
                } else {
                    Probed::Rejected
                });
            }
            Effect::Refuse(which) => {
                if let Some(v) = self.version(*which) {
                    assert_ne!(v, self.current, "current is never refused");
                    self.check_end_of(*which);
                    self.accepted.remove(&v);
                }
            }
            Effect::Destroy(which) => {
                self.check_end_of(*which);
                match which {
                    Which::Pending => self.pending = None,
                    Which::Previous => self.previous = None,
                    Which::Current => panic!("current is never destroyed"),
                }
                self.show();
            }
        }
        Reply::Done
    }

    fn install(&mut self, v: Version) {
        if self.record.policy.overlap == Overlap::Replace {
            self.accepted.clear();
        }
        self.accepted.insert(v);
    }

    /// What was sent and not made quiet takes effect.
    pub fn land(&mut self) {
        if let Some(v) = self.late.take() {
            self.tell(|| format!("late install of {v}"));
            self.install(v);
        }
    }

    fn show(&mut self) {
        let view = View {
            current: self.current,
            fallback: self.pending.or(self.previous),
        };
        self.shown.push((self.real(), view));
        let horizon = self.real().0.saturating_sub_unsigned(self.refresh_ms);
        // The view that was shown at the horizon is still held by somebody.
        while self.shown.len() > 1 && self.shown[1].0.0 < horizon {
            self.shown.remove(0);
        }
    }

    fn note_phase(&mut self, before: &Phase) {
        self.note_views();
        let policy = &self.record.policy;
        let waited = |since: Option<Time>, ms| since.is_some_and(|at| self.real() >= at.plus(ms));
        let announced = matches!(before, Phase::Announce(_) | Phase::Settle { .. });
        // A promote in doubt is looked for; that makes nothing current.
        let looks = matches!(self.record.phase, Phase::Finish(Finishing::Observe));
        let finishes = matches!(self.record.phase, Phase::Finish(_)) && !looks;
        if announced && finishes && self.verified() {
            assert!(
                waited(self.ready_since, policy.settle_ms) || self.hurried,
                "settle lasts from the last verifier on"
            );
        }
        let retiring = matches!(self.record.phase, Phase::Retire(_));
        if retiring && !self.retiring {
            assert!(
                waited(self.switched_since, policy.grace_ms) || self.hurried,
                "grace lasts from the last switch on, and no edit or clock cuts it short"
            );
        }
        self.retiring = retiring
            || self.retiring && matches!(self.record.phase, Phase::Done(_) | Phase::Stuck { .. });
        if matches!(
            self.record.phase,
            Phase::Undo(_) | Phase::Done(_) | Phase::Switch(_)
        ) {
            self.gap = false;
        }
    }

    /// Whether verifiers must accept a value before it is used. Before the first version there is
    /// nothing to verify.
    fn verified(&self) -> bool {
        self.record.policy.announce && !self.record.policy.first
    }

    /// Whether every required listener was notified, of a view that is as it should be.
    fn required(&self, good: impl Fn(View) -> bool) -> bool {
        let listeners = &self.record.policy.listeners;
        let mut required = listeners.iter().filter(|l| l.required);
        required.all(|l| self.views[&l.key].is_some_and(&good))
    }

    fn note_views(&mut self) {
        let ready = self
            .pending
            .is_some_and(|v| self.required(|view| view.accepts(v)));
        let switched = self.promoted && self.required(|view| view.current == self.current);
        let now = self.real();
        self.ready_since = self.ready_since.or(Some(now)).filter(|_| ready);
        self.switched_since = self.switched_since.or(Some(now)).filter(|_| switched);
    }

    fn check_end_of(&self, which: Which) {
        assert!(
            which != Which::Previous || self.required(|view| view.current == self.current),
            "the old value ends when every required consumer uses the new one"
        );
    }

    /// What must be the case at every instant.
    pub fn check(&self) {
        let policy = &self.record.policy;
        let verified = self.verified();
        assert!(self.tested.contains(&self.current), "current was tested");
        if policy.target && (policy.overlap == Overlap::Dual || !self.gap) {
            assert!(
                self.accepted.contains(&self.current),
                "current is accepted by the target"
            );
        }
        let live = self
            .accepted
            .iter()
            .filter(|v| **v != self.current && Some(**v) != self.previous)
            .count();
        assert!(live <= 1 || !policy.target, "at most one live candidate");
        for view in self.views.values().flatten() {
            if policy.target && policy.overlap == Overlap::Dual {
                assert!(
                    self.accepted.contains(&view.current),
                    "what a reader uses is accepted by the target"
                );
            }
            if verified {
                assert!(
                    self.views
                        .values()
                        .flatten()
                        .all(|other| other.accepts(view.current)),
                    "what any reader uses, every verifier accepts"
                );
            }
        }
        if verified
            && self.real() >= self.calm_from
            && policy.settle_ms >= self.refresh_ms
            && !self.hurried
        {
            let horizon = self.real().0.saturating_sub_unsigned(self.refresh_ms);
            let held = |i: usize| {
                self.shown
                    .get(i + 1)
                    .is_none_or(|(next, _)| next.0 >= horizon)
            };
            let views: Vec<View> = self
                .shown
                .iter()
                .enumerate()
                .filter(|(i, _)| held(*i))
                .map(|(_, (_, v))| *v)
                .collect();
            for signer in &views {
                assert!(
                    views
                        .iter()
                        .all(|verifier| verifier.accepts(signer.current)),
                    "readers that poll accept each other"
                );
            }
        }
        if policy.overlap == Overlap::Dual
            && !self.hurried
            && self.promoted
            && !policy.first
            && self.record.outcome().is_none()
        {
            let over = self.retiring;
            if let (false, Some(previous)) = (over, self.previous) {
                assert!(
                    !policy.target || self.accepted.contains(&previous),
                    "the old one is not refused inside grace"
                );
            }
            assert!(
                over || self.previous.is_some(),
                "the old one is kept inside grace"
            );
        }
        if let Phase::Stuck { .. } = self.record.phase {
            assert!(
                self.refused_forward,
                "stuck only when a way forward or back failed for good"
            );
        }
        if let Some(outcome) = self.record.outcome() {
            assert_eq!(self.pending, None, "nothing is left pending");
            if policy.target {
                assert_eq!(
                    self.accepted,
                    BTreeSet::from([self.current]),
                    "exactly one known accepted credential"
                );
                assert_eq!(self.late, None, "nothing can land after the end");
            }
            match outcome {
                Outcome::Rotated => assert_eq!(self.previous.is_some(), policy.keep_previous),
                Outcome::Abandoned => {
                    assert_eq!(self.current, self.began_with, "what was current still is")
                }
            }
            let only_current = View {
                current: self.current,
                fallback: None,
            };
            assert!(
                self.views.values().flatten().all(|v| *v == only_current),
                "every consumer has the current value and no other"
            );
            assert!(
                outcome == Outcome::Abandoned || self.required(|view| view == only_current),
                "every required consumer of the schedule was notified"
            );
        }
    }
}

/// All shapes of a rotation worth distinguishing.
pub fn policies() -> Vec<Policy> {
    let mut all = Vec::new();
    for (first, target, overlap) in [
        (false, true, Overlap::Dual),
        (false, true, Overlap::Replace),
        (false, false, Overlap::Dual),
        (true, false, Overlap::Dual),
    ] {
        for announce in [false, true] {
            for attempts_max in [1, 3] {
                for consumers in [1, 3] {
                    for confirm in [false, true] {
                        let waits = overlap == Overlap::Dual;
                        all.push(Policy {
                            first,
                            target,
                            overlap,
                            announce,
                            observe_published: announce && !target,
                            settle_ms: if announce && waits { 60_000 } else { 0 },
                            grace_ms: if waits { 90_000 } else { 0 },
                            confirm,
                            keep_previous: target,
                            attempts_max,
                            listeners: listeners(consumers),
                        });
                    }
                }
            }
        }
    }
    all
}

/// `n` consumers that the rotation waits for.
pub fn listeners(n: usize) -> Vec<Listener> {
    (0..n).map(|i| listener(&format!("c{i}"), 0)).collect()
}

/// A consumer that the rotation waits for, under one of its definitions.
pub fn listener(key: &str, definition: usize) -> Listener {
    Listener {
        key: key.to_owned(),
        required: true,
        definition: definition.to_string(),
    }
}

fn keys(policy: &Policy) -> impl Iterator<Item = String> {
    policy.listeners.iter().map(|l| l.key.clone())
}

impl World {
    /// The schedule names these listeners now.
    fn list(&mut self, policy: &Policy) {
        let views = &mut self.views;
        *views = keys(policy)
            .map(|key| (key.clone(), views.remove(&key).flatten()))
            .collect();
    }

    /// The schedule is edited while the rotation is under way. A consumer that is added or changed
    /// has nothing yet. As the engine does, an effect in flight is answered first.
    pub fn edit(&mut self, policy: &Policy) {
        if self.record.in_flight {
            self.event(Event::Reply(Reply::Lost));
        }
        if self.record.outcome().is_some() {
            return;
        }
        let before = self.record.clone();
        let (next, edits) = before.clone().adopt(policy, self.moment());
        self.list(policy);
        for edit in edits.iter().filter(|e| e.change != Change::Removed) {
            self.views.insert(edit.listener.clone(), None);
        }
        self.tell(|| format!("edit {edits:?} -> {:?}", next.phase));
        self.write_down(next);
        self.note_phase(&before.phase);
    }
}
