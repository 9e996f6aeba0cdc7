//! The token: got, renewed at two thirds of its life, got again when it cannot live on.
//!
//! There is no task in the background: every call looks first. A token stands in memory only.
//!
//! A token that has *ended* is waited for (`Unavailable`): whoever issues tokens puts the next one where it is
//! found. A login that is *refused* is a person's matter (`Denied`): the server does not say why.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keyrota_contract::{ErrorKind, ProviderError, SecretValue};
use rustify::endpoint::Endpoint;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use vaultrs::api::auth::approle::requests::LoginWithApproleRequest;
use vaultrs::api::auth::oidc::requests::JWTLoginRequest;
use vaultrs::api::token::requests::{LookupTokenSelfRequest, RenewTokenSelfRequest};
use zeroize::Zeroizing;

use super::config::{Auth, VaultConfig};
use super::invalid;
use super::wire::{Effect, Reply, Wire, not_vault};

/// A change is begun with at least this much of a token's life, or a third of it if it is short:
/// the calls of one promote must not fall apart.
const EFFECT_NEEDS: Duration = Duration::from_secs(60);

/// A server, and the token it is asked with.
pub(super) struct Session {
    wire: Wire,
    auth: Auth,
    lease: Mutex<Option<Lease>>,
    /// A token could look itself up: one that cannot has ended.
    looked: AtomicBool,
    /// The server let a token do something.
    worked: AtomicBool,
}

#[derive(Clone)]
struct Lease {
    token: Arc<Zeroizing<String>>,
    since: Instant,
    terms: Terms,
}

/// How long a token lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Terms {
    /// From the last grant on; `None`: for ever, or nobody says.
    ttl: Option<Duration>,
    /// The same at the login.
    full: Duration,
    renewable: bool,
}

/// What is to be done with a token before a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Nothing,
    Renewal,
    Login,
}

impl Terms {
    fn new(ttl_seconds: u64, renewable: bool) -> Self {
        let ttl = Duration::from_secs(ttl_seconds);
        Self {
            ttl: Some(ttl).filter(|ttl| !ttl.is_zero()),
            full: ttl,
            renewable,
        }
    }

    /// What a token of this age needs.
    fn due(&self, age: Duration, effect: Effect) -> Due {
        let Some(ttl) = self.ttl else {
            return Due::Nothing;
        };
        let left = ttl.saturating_sub(age);
        let late = age.saturating_mul(3) >= ttl.saturating_mul(2);
        let short = effect == Effect::Change
            && left.saturating_mul(3) < EFFECT_NEEDS.saturating_mul(3).min(self.full);
        match late || short {
            _ if left.is_zero() => Due::Login,
            false => Due::Nothing,
            true if self.renewable => Due::Renewal,
            true => Due::Login,
        }
    }

    /// After a renewal. One that grants less than half of the first life has reached the token's
    /// longest: renewing once more would only make ever smaller steps towards it.
    fn renewed(&self, granted_seconds: u64, renewable: bool) -> Self {
        let granted = Duration::from_secs(granted_seconds);
        Self {
            ttl: Some(granted),
            full: self.full,
            renewable: renewable && granted.saturating_mul(2) >= self.full,
        }
    }
}

#[derive(Deserialize)]
struct Login {
    auth: Option<Granted>,
}

#[derive(Deserialize)]
struct Granted {
    client_token: String,
    lease_duration: u64,
    renewable: bool,
}

#[derive(Deserialize)]
struct Looked {
    ttl: u64,
    #[serde(default)]
    renewable: bool,
}

impl Session {
    pub fn new(config: VaultConfig) -> Result<Self, ProviderError> {
        if let Auth::AppRole { mount, .. } | Auth::Jwt { mount, .. } = &config.auth {
            super::check_path(mount)?;
        }
        if config.namespace.as_ref().is_some_and(|n| !is_header(n)) {
            return Err(invalid(
                "`namespace` is none: letters, digits, `-`, `_` and `/`",
            ));
        }
        Ok(Self {
            wire: Wire::new(&config),
            auth: config.auth,
            lease: Mutex::new(None),
            looked: AtomicBool::new(false),
            worked: AtomicBool::new(false),
        })
    }

    /// One request. A token that turns out to be none any more is replaced, once.
    pub async fn ask<E: Endpoint>(
        &self,
        effect: Effect,
        request: impl Fn() -> E + Send + Sync,
    ) -> Result<Reply, ProviderError> {
        let token = self.token(effect).await?;
        let reply = self.wire.exchange(request(), &token, effect).await?;
        if reply.status != 403 {
            self.worked
                .fetch_or((200..300).contains(&reply.status), Ordering::Relaxed);
            return Ok(reply);
        }
        if self.lives(&token).await? {
            return Ok(reply);
        }
        let newer = self.replace(&token).await?;
        if *newer != *token {
            return self.wire.exchange(request(), &newer, effect).await;
        }
        // A token that works may lack the right to look itself up.
        match self.worked.load(Ordering::Relaxed) {
            true => Ok(reply),
            false => Err(ENDED),
        }
    }

    /// A 403 is a missing right, or the end of the token: the token itself tells.
    async fn lives(&self, token: &str) -> Result<bool, ProviderError> {
        let lookup = LookupTokenSelfRequest {};
        let reply = self.wire.exchange(lookup, token, Effect::None).await?;
        match reply.status {
            200 => Ok(true),
            403 => Ok(false),
            _ => Err(reply.refusal(Effect::None)),
        }
    }

    async fn token(&self, effect: Effect) -> Result<Arc<Zeroizing<String>>, ProviderError> {
        let mut lease = self.lease.lock().await;
        if let Some(held) = lease.as_mut() {
            let mut due = held.terms.due(held.since.elapsed(), effect);
            if due == Due::Renewal {
                due = match self.renew(held).await {
                    Ok(()) => held.terms.due(held.since.elapsed(), effect),
                    // What is left of it is used; it is renewed with the next call.
                    Err(e) if may_pass(e.kind) => Due::Nothing,
                    Err(_) => Due::Login,
                };
            }
            if due == Due::Nothing {
                return Ok(held.token.clone());
            }
        }
        let newer = self.log_in().await?;
        let token = newer.token.clone();
        *lease = Some(newer);
        Ok(token)
    }

    async fn replace(&self, dead: &str) -> Result<Arc<Zeroizing<String>>, ProviderError> {
        let mut lease = self.lease.lock().await;
        match lease.as_ref() {
            // Another call has done so meanwhile.
            Some(held) if held.token.as_str() != dead => Ok(held.token.clone()),
            _ => {
                *lease = None;
                let newer = self.log_in().await?;
                let token = newer.token.clone();
                *lease = Some(newer);
                Ok(token)
            }
        }
    }

    async fn renew(&self, lease: &mut Lease) -> Result<(), ProviderError> {
        let since = Instant::now();
        let renew = RenewTokenSelfRequest { increment: None };
        let reply = self
            .wire
            .exchange(renew, &lease.token, Effect::None)
            .await?;
        let granted = granted(reply.done(Effect::None)?)?;
        lease.since = since;
        lease.terms = lease
            .terms
            .renewed(granted.lease_duration, granted.renewable);
        Ok(())
    }

    async fn log_in(&self) -> Result<Lease, ProviderError> {
        // Before the request: the server counts from a later moment.
        let since = Instant::now();
        let reply = match &self.auth {
            Auth::Token(token) => return self.take(text(&token()?)?, since).await,
            Auth::AppRole {
                mount,
                role_id,
                secret_id,
            } => {
                let request = LoginWithApproleRequest {
                    mount: mount.clone(),
                    role_id: role_id.clone(),
                    secret_id: text(&secret_id()?)?.to_string(),
                };
                self.wire.exchange(request, "", Effect::None).await?
            }
            Auth::Jwt { mount, role, jwt } => {
                let request = JWTLoginRequest {
                    mount: mount.clone(),
                    role: Some(role.clone()),
                    jwt: text(&jwt()?)?.to_string(),
                };
                self.wire.exchange(request, "", Effect::None).await?
            }
        };
        let granted = match reply.status {
            // The server tells nobody which: a wrong role, a wrong secret, no such method.
            400 | 401 | 403 if !reply.is_upgrading() => {
                return Err(denied(
                    "the login was refused: check `auth` (role, mount, and its secret, which may have ended) and `namespace`",
                ));
            }
            _ => granted(reply.done(Effect::None)?)?,
        };
        Ok(Lease {
            token: Arc::new(granted.client_token.into()),
            since,
            terms: Terms::new(granted.lease_duration, granted.renewable),
        })
    }

    /// A token that there is already: how long it lives is asked of the server. A policy that does
    /// not let it ask is no reason to refuse it.
    async fn take(&self, token: Zeroizing<String>, since: Instant) -> Result<Lease, ProviderError> {
        let lookup = LookupTokenSelfRequest {};
        let reply = self.wire.exchange(lookup, &token, Effect::None).await?;
        let terms = match reply.status {
            403 if self.looked.load(Ordering::Relaxed) => return Err(ENDED),
            403 => Terms::new(0, false),
            _ => {
                let looked: Looked = reply.done(Effect::None)?.data()?;
                self.looked.store(true, Ordering::Relaxed);
                Terms::new(looked.ttl, looked.renewable)
            }
        };
        Ok(Lease {
            token: Arc::new(token),
            since,
            terms,
        })
    }
}

fn granted(reply: Reply) -> Result<Granted, ProviderError> {
    let login: Login = serde_json::from_slice(&reply.body).map_err(|_| not_vault())?;
    login
        .auth
        .filter(|auth| is_header(&auth.client_token))
        .ok_or(not_vault())
}

/// What a person wrote into a file ends with a line feed.
fn text(input: &SecretValue) -> Result<Zeroizing<String>, ProviderError> {
    input.expose_to(|bytes| {
        let text = std::str::from_utf8(bytes).map_or("", str::trim);
        match is_header(text) {
            true => Ok(Zeroizing::new(text.to_owned())),
            false => Err(denied(
                "the token or the secret of the login is empty, or no line of text",
            )),
        }
    })
}

/// vaultrs panics at a header that is none.
fn is_header(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())
}

fn may_pass(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Unavailable | ErrorKind::Throttled)
}

const ENDED: ProviderError = ProviderError::new(
    ErrorKind::Unavailable,
    "the server does not know the token: it has expired, was revoked, or is another server's; put a new one where `auth.token` finds it",
);

fn denied(context: &'static str) -> ProviderError {
    ProviderError::new(ErrorKind::Denied, context)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_token_is_renewed_at_two_thirds() {
        let hour = Terms::new(3600, true);
        for (age, effect, due) in [
            (0, Effect::None, Due::Nothing),
            (2399, Effect::Change, Due::Nothing),
            (2400, Effect::None, Due::Renewal),
            (3599, Effect::Change, Due::Renewal),
            (3600, Effect::None, Due::Login),
            (9999, Effect::None, Due::Login),
        ] {
            assert_eq!(hour.due(s(age), effect), due, "{age} {effect:?}");
        }
        let batch = Terms::new(3600, false);
        assert_eq!(batch.due(s(2399), Effect::Change), Due::Nothing);
        assert_eq!(batch.due(s(2400), Effect::None), Due::Login);
        let root = Terms::new(0, false);
        assert_eq!(root.due(s(1 << 30), Effect::Change), Due::Nothing);
    }

    #[test]
    fn a_token_near_its_longest_life_is_replaced_not_renewed() {
        let hour = Terms::new(3600, true);
        let again = hour.renewed(3600, true);
        assert_eq!(again.due(s(2400), Effect::None), Due::Renewal);
        let last = hour.renewed(1700, true);
        assert_eq!(last.due(s(0), Effect::Change), Due::Nothing);
        assert_eq!(last.due(s(1134), Effect::None), Due::Login);
    }

    #[test]
    fn a_change_is_not_begun_with_a_dying_token() {
        let last = Terms::new(3600, true).renewed(50, true);
        assert_eq!(last.due(s(0), Effect::None), Due::Nothing);
        assert_eq!(last.due(s(0), Effect::Change), Due::Login);
        // A role whose tokens live for half a minute would otherwise log in for every change.
        let short = Terms::new(30, true);
        assert_eq!(short.due(s(19), Effect::Change), Due::Nothing);
    }

    #[test]
    fn no_life_that_a_server_names_is_too_long_or_too_short() {
        let most = Duration::MAX;
        for ttl in [0, 1, 2, 60, u64::MAX / 3, u64::MAX - 1, u64::MAX] {
            for renewable in [true, false] {
                for age in [Duration::ZERO, s(1), s(u64::MAX), most] {
                    let first = Terms::new(ttl, renewable);
                    let second = first.renewed(ttl, renewable);
                    let third = first.renewed(u64::MAX - ttl, renewable);
                    for (terms, effect) in [first, second, third]
                        .into_iter()
                        .flat_map(|terms| [(terms, Effect::None), (terms, Effect::Change)])
                    {
                        let due = terms.due(age, effect);
                        if terms.renewable {
                            let ended = terms.ttl.is_some_and(|ttl| ttl <= age);
                            assert_eq!(due == Due::Login, ended, "{terms:?} {age:?}");
                        }
                    }
                }
            }
        }
        assert_eq!(
            Terms::new(u64::MAX, true).due(s(1 << 30), Effect::Change),
            Due::Nothing
        );
    }

    #[test]
    fn a_header_is_one_line() {
        for bad in ["", "a b", "a\nb", "ü"] {
            assert!(!is_header(bad), "{bad:?}");
        }
        let from_file = SecretValue::copy_of(b"s.token\n");
        assert!(text(&from_file).is_ok_and(|token| token.as_str() == "s.token"));
    }
}
