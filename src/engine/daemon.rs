//! Follows the schedule of one environment: the smallest loop over the same engine.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use keyrota_rotation::Time;

use super::mend::{LOOK_EVERY, Looked};
use super::start::{Begin, NotBegun, Order};
use super::{Engine, EngineError, Stop, clock, copies};
use crate::audit::{self, Actor, NewEntry};
use crate::config::model::Secret;
use crate::state::{self, Change, StateError, Store};
use crate::turns::{self, Due};

/// Rotations of one secret that may fail in a row before a person must look: each might have used
/// up a value that the target refuses.
pub const FAILURES_MAX: u32 = 3;

/// What the schedule says about one secret now.
#[derive(Debug, Clone, Copy)]
pub enum Turn {
    /// When its next turn is.
    Due(Due),
    /// It failed [`FAILURES_MAX`] times in a row: no further turn before a person rotates it.
    Person,
}

/// What a look at all secrets of an environment led to.
#[derive(Debug, Default)]
pub struct Tick {
    /// When the next thing is due; `None`: nothing that is known of.
    pub next: Option<Timestamp>,
    /// Rotations under way.
    pub under_way: usize,
    /// Secrets that wait for a person.
    pub need_person: Vec<String>,
    /// How far the wall clock is ahead of the trusted time, in milliseconds, where they differ.
    pub clock_skew_ms: Option<i64>,
}

impl Engine {
    /// Does all that is due now: goes on with what is under way, then begins what is due. A
    /// failure of one secret does not keep the others from their turn; one of the state does.
    pub async fn tick(&self) -> Result<Tick, EngineError> {
        let mut tick = Tick::default();
        self.keep_lock().await?;
        for secret in &self.env.secrets {
            if let Err(why) = self.take_request(&secret.name).await {
                self.one_failed(secret, why)?;
            }
            let stop = match self.go_on(&secret.name).await {
                Ok(None) => match self.turn(secret, &mut tick).await {
                    Ok(stop) => stop,
                    Err(why) => self.one_failed(secret, why)?,
                },
                Ok(Some((_, stop))) => Some(stop),
                Err(why) => self.one_failed(secret, why)?,
            };
            match stop {
                None => self.mind_copies(secret, &mut tick).await?,
                // They were told only now, and are looked at next.
                Some(Stop::Over(_)) => self.forget_look(&secret.name),
                Some(Stop::Interrupted) => return Ok(tick),
                Some(Stop::Confirm | Stop::Person) => {
                    tick.under_way = tick.under_way.saturating_add(1);
                    tick.need_person.push(secret.name.clone());
                }
                Some(Stop::Wait { until } | Stop::Retry { until }) => {
                    tick.under_way = tick.under_way.saturating_add(1);
                    tick.at(until);
                }
            }
        }
        for name in self.orphans().await? {
            tick.under_way = tick.under_way.saturating_add(1);
            tick.need_person.push(name);
        }
        self.watch_clock().await?;
        tick.clock_skew_ms = self.clock_skew_ms();
        Ok(tick)
    }

    /// Secrets that the schedule does not name any more, with a rotation under way that nobody can
    /// end for that.
    pub(super) async fn orphans(&self) -> Result<Vec<String>, StateError> {
        let open = self.store.open_rotations(&self.env.name).await?;
        let names = open.into_iter().map(|row| row.secret);
        Ok(names.filter(|name| self.secret(name).is_err()).collect())
    }

    /// A failure of one secret, if that is what it is.
    fn one_failed(&self, secret: &Secret, why: EngineError) -> Result<Option<Stop>, EngineError> {
        if why.is_of_state() {
            return Err(why);
        }
        tracing::error!(secret = %secret.name, %why, "nothing was done for this secret");
        // No rule of keyrota's ends that: a person has to find out who changed the state.
        let altered = matches!(why, EngineError::State(StateError::Altered(_)));
        Ok(altered.then_some(Stop::Person))
    }

    /// Looks at the copies of a secret with no rotation under way, if it is time for that.
    async fn mind_copies(&self, secret: &Secret, tick: &mut Tick) -> Result<(), EngineError> {
        if copies::keys(secret).next().is_none() {
            return Ok(());
        }
        let now = self.now();
        let last = self.looks().get(&secret.name).cloned();
        let looked = match last {
            // A clock that was set back does not keep it from looking.
            Some((at, looked))
                if (0..LOOK_EVERY.as_millis() as i64).contains(&now.0.saturating_sub(at.0)) =>
            {
                looked
            }
            _ => {
                let looked = match self.look_at_copies(&secret.name).await {
                    Ok(looked) => looked.unwrap_or_default(),
                    Err(why) => {
                        self.one_failed(secret, why)?;
                        Looked::default()
                    }
                };
                let mut looks = self.looks();
                looks.insert(secret.name.clone(), (now, looked.clone()));
                looked
            }
        };
        if looked.own_edited || !looked.left.is_empty() {
            tick.need_person.push(secret.name.clone());
        }
        Ok(())
    }

    pub(super) fn forget_look(&self, secret: &str) {
        self.looks().remove(secret);
    }

    fn looks(&self) -> MutexGuard<'_, BTreeMap<String, (Time, Looked)>> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn turn(&self, secret: &Secret, tick: &mut Tick) -> Result<Option<Stop>, EngineError> {
        match self.due(secret).await? {
            None => Ok(None),
            Some(Turn::Person) => {
                tick.need_person.push(secret.name.clone());
                Ok(None)
            }
            Some(Turn::Due(Due::Never)) => Ok(None),
            Some(Turn::Due(Due::At(at, _))) => {
                tick.at(Time(at.as_millisecond()));
                Ok(None)
            }
            Some(Turn::Due(Due::Now(turn))) => {
                let order = Order {
                    trigger: "schedule",
                    reason: None,
                    actor: "daemon",
                    turn: Some(turn.civil),
                    compromised: false,
                    forced: false,
                    given: None,
                };
                match self.rotate(&secret.name, &order).await? {
                    Begin::Drive { stop, .. } => Ok(Some(stop)),
                    Begin::Not(why) => {
                        self.skip(secret, turn.civil, why).await?;
                        Ok(None)
                    }
                }
            }
        }
    }

    /// Whether the secret's turn has come; `None` if it has none.
    pub async fn due(&self, secret: &Secret) -> Result<Option<Turn>, EngineError> {
        let Some(policy) = turn_policy(&self.env, secret) else {
            return Ok(None);
        };
        let known = self.seen(secret, &policy).await?;
        if known.failures >= FAILURES_MAX {
            return Ok(Some(Turn::Person));
        }
        let now = clock::timestamp(self.now().0);
        Ok(Some(Turn::Due(due(&policy, &known, now))))
    }

    /// The secret as the state knows it. A schedule that is new or edited counts from now: nothing
    /// rotates because of a turn it would have had before.
    async fn seen(
        &self,
        secret: &Secret,
        policy: &turns::Policy,
    ) -> Result<state::Secret, StateError> {
        let mut known = self.secret_row(secret).await?;
        let (key, text) = turns_fact(&self.env, secret, policy);
        let now = clock::timestamp(self.now().0);
        if self.store.fact(&key).await?.as_ref() != Some(&text) || is_ahead(policy, &known, now) {
            known.turn_done = Some(civil(policy, now));
            let entry = NewEntry::new("schedule.seen", audit::Phase::System, Actor::system())
                .secret(&self.env.name, &secret.name)
                .detail("schedule", text.as_str());
            let changes = [
                Change::PutSecret(known.clone()),
                Change::PutFact { key, value: text },
            ];
            self.commit(&changes, &[entry]).await?;
        }
        Ok(known)
    }

    /// The turn has come and cannot be taken; it is not tried again.
    async fn skip(&self, secret: &Secret, turn: DateTime, why: NotBegun) -> Result<(), StateError> {
        let mut known = self.secret_row(secret).await?;
        known.turn_done = Some(turn.to_string());
        let entry = NewEntry::new("schedule.skipped", audit::Phase::System, Actor::schedule())
            .secret(&self.env.name, &secret.name)
            .detail("turn", turn.to_string())
            .detail("why", why.advice());
        tracing::warn!(secret = %secret.name, why = why.advice(), "a scheduled rotation was skipped");
        self.commit(&[Change::PutSecret(known)], &[entry]).await
    }

    /// What the process says about itself.
    pub async fn note(&self, event: &'static str) -> Result<(), StateError> {
        let mut entry = NewEntry::new(event, audit::Phase::System, Actor::system());
        entry.object.env = Some(self.env.name.clone());
        self.commit(&[], &[entry.detail("schedule", self.env.digest.as_str())])
            .await
    }
}

impl Tick {
    fn at(&mut self, time: Time) {
        let at = Timestamp::from_millisecond(time.0).unwrap_or(Timestamp::MAX);
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }
}

/// When the turns of a secret come; `None`: only when asked, or not ours to take.
pub fn turn_policy(
    env: &crate::config::model::Environment,
    secret: &Secret,
) -> Option<turns::Policy> {
    let schedule = turns::Schedule::parse(secret.turn.schedule.as_deref()?).ok()?;
    Some(turns::Policy {
        schedule,
        zone: env.timezone.clone(),
        not_before: secret.turn.not_before,
        jitter: turns::jitter(&env.name, &secret.name, secret.turn.jitter),
        window: secret
            .turn
            .window
            .and_then(|w| turns::Window::new(w.from, w.to)),
        blackouts: secret
            .turn
            .blackouts
            .iter()
            .filter_map(|b| turns::Blackout::new(b.from, b.to))
            .collect(),
    })
}

/// A secret as the state knows it, for who only looks: turns of a schedule that no rotating process
/// has seen yet count from now, as they will when one sees it.
pub async fn glance(
    store: &Store,
    env: &crate::config::model::Environment,
    secret: &Secret,
    now: Timestamp,
) -> Result<Option<state::Secret>, StateError> {
    let Some(mut known) = store.secret(&env.name, &secret.name).await? else {
        return Ok(None);
    };
    if let Some(policy) = turn_policy(env, secret) {
        let (key, text) = turns_fact(env, secret, &policy);
        if store.fact(&key).await?.as_ref() != Some(&text) || is_ahead(&policy, &known, now) {
            known.turn_done = Some(civil(&policy, now));
        }
    }
    Ok(Some(known))
}

/// The fact that says which schedule the turns of a secret are counted by, and what it says now.
fn turns_fact(
    env: &crate::config::model::Environment,
    secret: &Secret,
    policy: &turns::Policy,
) -> (String, String) {
    let key = format!("turns/{}/{}", env.name, secret.name);
    let text = format!("{} {}", policy.schedule.as_str(), env.timezone_name);
    (key, text)
}

fn civil(policy: &turns::Policy, at: Timestamp) -> String {
    at.to_zoned(policy.zone.clone()).datetime().to_string()
}

/// Whether a secret that the state knows so is due.
pub fn due(policy: &turns::Policy, known: &state::Secret, now: Timestamp) -> Due {
    let done = known
        .turn_done
        .as_deref()
        .and_then(|civil| civil.parse::<DateTime>().ok());
    let since = [Some(known.first_seen_ms), known.changed_ms];
    let past = since.into_iter().flatten().map(clock::timestamp);
    let since = past.filter(|at| !is_far_ahead(*at, now)).max();
    policy.due(done, since.unwrap_or(Timestamp::MIN), now)
}

/// Whether the last turn was taken under a clock that was far ahead: it would hold up all others.
fn is_ahead(policy: &turns::Policy, known: &state::Secret, now: Timestamp) -> bool {
    let done = known.turn_done.as_deref();
    let done = done.and_then(|civil| civil.parse::<DateTime>().ok());
    let done = done.and_then(|civil| civil.to_zoned(policy.zone.clone()).ok());
    done.is_some_and(|done| is_far_ahead(done.timestamp(), now))
}

/// Further than a zone, a change of its clock, or a clock that was set back a little would explain.
pub fn is_far_ahead(at: Timestamp, now: Timestamp) -> bool {
    at.duration_since(now) > SignedDuration::from_hours(24)
}

/// How long the loop may sleep: until something is due, but no longer than this, since a clock
/// that is set, or a machine that slept, makes every longer plan wrong.
pub const TICK_MAX: Duration = Duration::from_secs(15);
