//! Trying a password where the application would use it.

use keyrota_contract::Probe;
use zeroize::Zeroizing;

use super::session::{Fault, Session};
use crate::rotators::database::{Endpoint, Login, Settings};

/// Logs in at the application's endpoint, and at the server itself where that is another: a pooler
/// may remember an old password. What they disagree on is waited for.
pub(super) async fn both(settings: &Settings, login: &Login) -> Probe {
    let at_endpoint = one(settings, &settings.endpoint, login).await;
    let Some(server) = &settings.server else {
        return at_endpoint;
    };
    match (at_endpoint, one(settings, server, login).await) {
        (a, b) if a == b => a,
        (Probe::Unknown, _) | (_, Probe::Unknown) => Probe::Unknown,
        _ => Probe::Blocked,
    }
}

/// Tries a password that cannot be right, and says the worst that was heard.
pub(super) async fn worst(settings: &Settings, user: &str) -> Probe {
    let login = Login {
        user: Zeroizing::new(user.to_owned()),
        password: Zeroizing::new(IMPOSSIBLE.to_owned()),
    };
    let mut heard = vec![one(settings, &settings.endpoint, &login).await];
    if let Some(server) = &settings.server {
        heard.push(one(settings, server, &login).await);
    }
    [Probe::Accepted, Probe::Blocked, Probe::Unknown]
        .into_iter()
        .find(|bad| heard.contains(bad))
        .unwrap_or(Probe::Rejected)
}

async fn one(settings: &Settings, at: &Endpoint, login: &Login) -> Probe {
    match attempt(settings, at, login).await {
        // Another row answered, an anonymous user's: whatever it accepts, it is not this password.
        Ok(answered) if answered != *login.user => Probe::Unknown,
        Ok(_) => Probe::Accepted,
        Err(fault) => fault.login(),
    }
}

/// Logs in, and says which user's account answered.
pub(super) async fn attempt(
    settings: &Settings,
    at: &Endpoint,
    login: &Login,
) -> Result<String, Fault> {
    let mut session = Session::open(settings, at, true, login).await?;
    let answered = session.answered_as().await;
    session.close().await;
    answered.map(|(user, _)| user)
}

/// What is said where our client cannot log in.
pub(super) const NO_METHOD: &str = "the server asks this user for a login by a plugin that keyrota does not have (ed25519, PAM, GSSAPI, mysql_old_password): it cannot test a password there. Give the account mysql_native_password, or on MySQL caching_sha2_password";
/// Longer than any of ours, and with characters that ours never have.
const IMPOSSIBLE: &str = "no account of any server has this password: it is a test";
