//! Looking before a rotation: is the current value sound, and can every later step be done?

use std::time::Duration;

use keyrota_contract::{Material, Report, RotatorError};

use super::super::database::Users;
use super::roles::{self, Role};
use super::scram;
use super::session::{self, Session, Shut, alone, ask_one, leave, open, prepare};
use super::users::Postgres;
use RotatorError::{Held, Refused, Rejected, Retry};

pub(super) async fn preflight(this: &Postgres, m: &Material) -> Result<Report, RotatorError> {
    if m.current.is_none() {
        // Its import, which proves the value by a login: there is nothing to look at yet.
        return Ok(Report::default());
    }
    let settings = &this.settings;
    let current = this.current(m)?;
    let admin = this.admin(m)?;
    match (&admin, &settings.users) {
        (None, Users::Two(_)) => {
            return Err(Refused(
                "alternating users need an administrator: name its secret by admin",
            ));
        }
        (Some(admin), Users::Two(_)) if settings.is_ours(&admin.user) => {
            return Err(Refused(
                "the administrator is one of the alternating users: it needs a user of its own",
            ));
        }
        _ => {}
    }
    let looker = admin.as_ref().unwrap_or(&current);
    let open = || open(settings, settings.direct(), looker, LOOKING);
    let mut first = open().await.map_err(|why| shut_out(why, admin.is_some()))?;
    let earlier = clock(&mut first).await?;
    leave(first).await;
    // A pooler tidies a session up before it gives it out again.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut session = open().await.map_err(|why| shut_out(why, admin.is_some()))?;
    direct(&mut session, earlier).await?;
    prepare(&mut session, false).await?;

    let mut report = Report::default();
    let server = Server::ask(&mut session).await?;
    server.check()?;
    let found = roles::look(&mut session, settings.users(), &settings.direct().database).await?;
    if roles::iterations(&mut session, settings.users()).await? > scram::MOST.into() {
        return Err(Refused(
            "the server asks for more than 1000000 SCRAM iterations: lower scram_iterations, there and for its users",
        ));
    }
    let active = judge(&found, &current.user)?;
    // First of all the checks that need no login: the server says the same of a wrong password and
    // of a user whose time is up.
    if active.superuser {
        report.warnings.push(SUPERUSER);
    }
    if active.expires {
        report.warnings.push(EXPIRES);
    }
    if active.owns && matches!(settings.users, Users::Two(_)) {
        report.warnings.push(OWNS);
    }
    if let Some(idle) = settings
        .next(&current.user)
        .filter(|u| *u != current.user.as_str())
    {
        let idle = judge(&found, idle)?;
        compare(active, idle, &mut report)?;
    }
    leave(session).await;

    for at in this.endpoints() {
        let tried = session::probe(settings, at, &current).await;
        tried.map_err(|why| shut_out(why, false))?;
    }
    if settings.server.is_some() {
        let mut session = session::open(settings, &settings.endpoint, &current, LOOKING)
            .await
            .map_err(|_| Retry("the pooler took a login and refused the next"))?;
        let behind = identifier(&mut session).await;
        leave(session).await;
        if behind.is_some() && server.identifier.is_some() && behind != server.identifier {
            return Err(Refused("url and server lead to different database servers"));
        }
    }
    let direct = settings.direct();
    report.server = Some(settings.seen_as(match server.identifier {
        Some(identifier) => format!("postgres {identifier}"),
        None => format!("postgres://{}:{}", direct.host, direct.port),
    }));
    Ok(report)
}

/// What the server says of itself.
struct Server {
    version: i32,
    standby: bool,
    identifier: Option<String>,
}

impl Server {
    async fn ask(session: &mut Session) -> Result<Self, RotatorError> {
        const ASK: &str = "SELECT pg_catalog.current_setting('server_version_num')::int, \
             pg_catalog.pg_is_in_recovery()";
        let row = ask_one(session, sqlx::raw_sql(ASK)).await?;
        let strange = |_| STRANGE;
        Ok(Self {
            version: row.get(0).map_err(strange)?,
            standby: row.get(1).map_err(strange)?,
            identifier: identifier(session).await,
        })
    }

    fn check(&self) -> Result<(), RotatorError> {
        if self.standby {
            return Err(Retry("the server is a replica, or a failover is under way"));
        }
        if self.version < 100_000 {
            // It would take the verifier for the password itself.
            return Err(Refused(
                "the server is older than Postgres 10 and knows no SCRAM",
            ));
        }
        Ok(())
    }
}

/// The name of the data, which a server keeps through restarts and failovers. `None` where asking is
/// not permitted.
async fn identifier(session: &mut Session) -> Option<String> {
    const ASK: &str = "SELECT system_identifier::text FROM pg_catalog.pg_control_system()";
    let row = ask_one(session, sqlx::raw_sql(ASK)).await.ok()?;
    row.get(0).ok()
}

/// The server's clock, in microseconds.
async fn clock(session: &mut Session) -> Result<i64, RotatorError> {
    const ASK: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    let rows = alone(session, ASK).await?;
    let row = rows.first().ok_or(STRANGE)?;
    row.get(0).map_err(|_| STRANGE)
}

/// Whether what was reached is the server's own and not a pooler's: a pooler gives out a server session
/// that was there before. By name alone it is not seen, for poolers pass the name on. `earlier` is
/// the server's clock in a session that had ended before this one began.
async fn direct(session: &mut Session, earlier: i64) -> Result<(), RotatorError> {
    let question = format!(
        "SELECT (extract(epoch FROM backend_start) * 1000000)::bigint >= {earlier} \
         AND application_name = '{LOOKING}' \
         FROM pg_stat_activity WHERE pid = pg_backend_pid()"
    );
    let rows = alone(session, &question).await?;
    let row = rows.first().ok_or(STRANGE)?;
    match row.get(0) {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(Refused(
            "the address leads to a pooler: name the server itself with `server`",
        )),
    }
}

/// Why there is no session to look from.
fn shut_out(why: Shut, admin: bool) -> RotatorError {
    match (why, admin) {
        (Shut::Unknown(why), _) => Retry(why),
        (Shut::Barred(why), _) => Refused(why),
        (Shut::Open, _) => Refused(session::OPEN),
        (Shut::NoPlace, _) => Held(session::NO_PLACE),
        (Shut::Full, true) => Held(
            "the administrator's password is right, but the connection limit of the user, its database or the server is reached (CONNECTION LIMIT, max_connections): keyrota waits until there is a place",
        ),
        (Shut::Full, false) => Held(
            "the current value is right, but the connection limit of its user, its database or the server is reached (CONNECTION LIMIT, max_connections): keyrota waits until there is a place",
        ),
        (Shut::Rejected, true) => Refused(
            "the server refuses the administrator's login: take the right one with `keyrota import`",
        ),
        (Shut::Blocked, true) => {
            Refused("the administrator's password is right, but a lock or a limit blocks it")
        }
        (Shut::Rejected, false) => Rejected(CURRENT_REJECTED),
        (Shut::Blocked, false) => Refused(CURRENT_BLOCKED),
    }
}

/// What must hold for each user.
fn judge<'a>(found: &'a [Role], user: &str) -> Result<&'a Role, RotatorError> {
    let role = found.iter().find(|r| r.name == user).ok_or(Refused(
        "a user of the file does not exist on the server: `keyrota plan --setup` shows how to make it",
    ))?;
    if !role.can_login {
        return Err(Refused("a user of the file may not log in (NOLOGIN)"));
    }
    if role.expired {
        return Err(Refused(
            "the VALID UNTIL of a user of the file is past: no password of it is accepted",
        ));
    }
    if role.limit == 0 {
        return Err(Refused(
            "a user of the file may have no connection (CONNECTION LIMIT 0)",
        ));
    }
    if !role.connects {
        return Err(Refused(
            "a user of the file may not connect to its database (CONNECT)",
        ));
    }
    if !role.may_change {
        return Err(Refused(
            "the administrator may not set the password of a user: `keyrota plan --setup` shows the grants",
        ));
    }
    Ok(role)
}

/// What must hold for two users that take turns: whatever a program does as one of them, it can do
/// as the other.
fn compare(active: &Role, idle: &Role, report: &mut Report) -> Result<(), RotatorError> {
    if active.owner().is_none() || active.owner() != idle.owner() {
        return Err(Refused(
            "both users must become the same owner role (ALTER ROLE … SET role): `keyrota plan --setup` shows how",
        ));
    }
    if active.groups != idle.groups {
        return Err(Refused(
            "the users are not members of the same roles: a program would lose rights at a rotation",
        ));
    }
    let lacks = |a: &Role, b: &Role| a.grants.iter().any(|g| !b.grants.contains(g));
    if lacks(active, idle) {
        return Err(Refused(
            "the user in use was granted something itself that the other was not: grant it to the owner role",
        ));
    }
    if lacks(idle, active) {
        report
            .warnings
            .push("the idle user was granted something itself that the user in use was not");
    }
    if active.settings != idle.settings {
        report
            .warnings
            .push("the users have different settings (ALTER ROLE … SET)");
    }
    if active.limit != idle.limit {
        report
            .warnings
            .push("the users have different connection limits");
    }
    for (holds, warning) in [
        (idle.superuser, SUPERUSER),
        (idle.expires, EXPIRES),
        (idle.owns, OWNS),
    ] {
        if holds && !report.warnings.contains(&warning) {
            report.warnings.push(warning);
        }
    }
    if idle.sessions > 0 {
        return Err(Retry(
            "the inactive user still has sessions: a program missed the last rotation, or a pooler keeps them open",
        ));
    }
    Ok(())
}

const STRANGE: RotatorError = Retry("the server's answer is strange");
/// The name of preflight's sessions; others' do not have it.
const LOOKING: &str = "keyrota preflight";
const CURRENT_REJECTED: &str = "the server refuses the current value: the password was changed elsewhere, or the user does not exist, or its VALID UNTIL is past";
const CURRENT_BLOCKED: &str = "the current value is right, but a lock or a limit blocks it (NOLOGIN, CONNECT, the database's name)";
const SUPERUSER: &str =
    "a user of the file is a superuser: any program that has it can do anything";
const EXPIRES: &str = "a user of the file has a VALID UNTIL: no rotation moves it";
const OWNS: &str = "a login user owns objects itself, which the other cannot alter: REASSIGN OWNED gives them to the owner role";
