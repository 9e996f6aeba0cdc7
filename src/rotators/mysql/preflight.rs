//! What must be true before a rotation begins.

use keyrota_contract::{Material, Probe, Report, RotatorError, Which};

use super::name::Account;
use super::procedures::Question;
use super::server::{Dialect, Memory, Server};
use super::session::{FULL, Fault, Session, first};
use super::users::{Mysql, NOT_OURS, Way};
use super::{change, hash, login, operator};
use crate::rotators::database::{Endpoint, Login};
use crate::wire::UNREADABLE;

/// Changes nothing; a failure is a sentence that says what to do.
pub(super) async fn look(my: &Mysql, m: &Material) -> Result<Report, RotatorError> {
    if m.current.is_none() {
        // Its import, which proves the value by a login: there is nothing to look at yet.
        return Ok(Report::default());
    }
    let current = my.login(Which::Current, m)?;
    let next = my.settings.next(&current.user).ok_or(NOT_OURS)?;
    logs_in(my, &my.settings.endpoint, &current).await?;
    if let Some(server) = &my.settings.server {
        logs_in(my, server, &current).await?;
    }
    if my.way() != Way::Replace && my.settings.admin.is_none() {
        return Err(RotatorError::Refused(match my.way() {
            Way::Turns => {
                "the user that is not in use is changed by an administrator: name one by admin"
            }
            Way::Both | Way::Replace => {
                "two passwords at once are set by an administrator: name one by admin, or accept the gap (accept_gap = true)"
            }
        }));
    }
    let mut session = operator::open(my, m).await.map_err(for_good)?;
    let found = examine(my, m, &mut session, &current, next).await;
    session.close().await;
    found
}

async fn examine(
    my: &Mysql,
    m: &Material,
    session: &mut Session,
    current: &Login,
    next: &str,
) -> Result<Report, RotatorError> {
    let server = operator::writable(my, session).await?;
    operator::try_lock(session).await?;
    if my.settings.admin.is_some() {
        let account = Account::of(&current.user, session).await?;
        operator::kept_plugin(server.dialect, &account, session).await?;
        may_change(session, my.way()).await?;
        match my.way() {
            Way::Turns => {
                let other = Account::of(next, session).await?;
                operator::kept_plugin(server.dialect, &other, session).await?;
                are_alike(session, &account, &other).await?;
                is_idle(session, &other).await?;
            }
            Way::Both | Way::Replace => {
                one_account(my, m, session, &server, &account).await?;
                way_back(server.memory, Some(&account), session).await?;
            }
        }
    } else {
        if let Dialect::MariaDb { .. } = server.dialect {
            Account::asking(session).await?.only_native(session).await?;
        }
        way_back(server.memory, None, session).await?;
    }
    let mut report = Report {
        warnings: Vec::new(),
        server: server.name.clone().map(|name| my.settings.seen_as(name)),
    };
    if change::shows_passwords(server.dialect) {
        report.warnings.push(
            "this server is sent the new password as it is, inside TLS: who may see all sessions (PROCESS) can see it for the length of one statement",
        );
    }
    Ok(report)
}

/// The current value, where the application uses it.
async fn logs_in(my: &Mysql, at: &Endpoint, login: &Login) -> Result<(), RotatorError> {
    let sentence = match login::attempt(&my.settings, at, login).await {
        Ok(answered) if answered == *login.user => return Ok(()),
        Ok(_) => {
            "another account answers the login of the current value, an anonymous user's? drop it"
        }
        Err(Fault::Tls) => {
            "the server cannot be reached by TLS that is verified: see ca_file and the name in its certificate"
        }
        Err(Fault::Method) => login::NO_METHOD,
        Err(Fault::Server(1698)) => {
            "the account takes no password (unix_socket or another method of the operating system)"
        }
        Err(Fault::Server(1044 | 1049)) => {
            "the current password is right, but the user has no right to the database, or there is none of that name"
        }
        Err(Fault::Server(1820 | 1862)) => "the current password is right, but it has expired",
        Err(Fault::Server(3118 | 4151)) => {
            "the current password is right, but the account is locked"
        }
        Err(Fault::Server(1203 | 1226)) => {
            return Err(RotatorError::Held(
                "the current password is right, but the connection limit of the account is reached (max_user_connections, MAX_USER_CONNECTIONS, MAX_CONNECTIONS_PER_HOUR): keyrota waits until there is a place",
            ));
        }
        Err(Fault::Server(1040)) => {
            return Err(FULL);
        }
        Err(Fault::Server(1184)) => {
            return Err(RotatorError::Retry(
                "the server ends every session of the user at once: its init_connect fails",
            ));
        }
        Err(Fault::Server(3955 | 4150)) => {
            "the server blocks the account because of too many wrong passwords: find who sends them, then FLUSH PRIVILEGES or ALTER USER … ACCOUNT UNLOCK"
        }
        Err(fault) if fault.login() == Probe::Rejected => {
            return Err(RotatorError::Rejected(
                "the server does not accept the current value: put the right one in its place (`keyrota import`)",
            ));
        }
        Err(Fault::Unreadable) => return Err(RotatorError::Retry(UNREADABLE)),
        Err(_) => {
            return Err(RotatorError::Retry(
                "the server cannot be asked about the current value now",
            ));
        }
    };
    Err(RotatorError::Refused(sentence))
}

/// The rights of whoever is logged in, as the server prints them.
async fn may_change(session: &mut Session, way: Way) -> Result<(), RotatorError> {
    if session.procedures {
        return Ok(());
    }
    let grants = session.rows("SHOW GRANTS").await;
    let grants = grants.map_err(|f| f.asking(super::account::CANNOT_READ))?;
    let global: Vec<_> = grants
        .into_iter()
        .filter_map(|row| row.into_iter().next()?)
        .filter_map(|line| Some(line.split_once(" ON *.* TO ")?.0.to_owned()))
        .collect();
    let has = |right: &str| {
        let mut all = global
            .iter()
            .filter_map(|line| line.strip_prefix("GRANT "))
            .flat_map(|list| list.split(", "));
        all.any(|r| r == right || r == "ALL PRIVILEGES")
    };
    if !has("CREATE USER") {
        return Err(RotatorError::Refused(
            "the administrator cannot change accounts: GRANT CREATE USER (`keyrota plan --setup`)",
        ));
    }
    if way == Way::Turns && !has("PROCESS") {
        return Err(RotatorError::Refused(
            "the administrator cannot see whether a user is still in use: GRANT PROCESS (`keyrota plan --setup`)",
        ));
    }
    Ok(())
}

/// What works for one of two users must work for the other.
async fn are_alike(
    session: &mut Session,
    one: &Account,
    other: &Account,
) -> Result<(), RotatorError> {
    if one.host != other.host {
        return Err(RotatorError::Refused(
            "the two users may log in from different hosts: make them alike",
        ));
    }
    if one.rights(session).await? != other.rights(session).await? {
        return Err(RotatorError::Refused(
            "the two users differ in grants, limits or in what TLS they need: compare SHOW GRANTS and SHOW CREATE USER, and make them alike",
        ));
    }
    Ok(())
}

async fn is_idle(session: &mut Session, account: &Account) -> Result<(), RotatorError> {
    let sessions = account.ask(Question::Sessions, session).await;
    let sessions = sessions.map_err(|f| f.asking(super::account::CANNOT_READ))?;
    if first(&sessions) != Some("0") {
        return Err(RotatorError::Retry(
            "the next user still has sessions: a program uses its old password",
        ));
    }
    Ok(())
}

/// A single user: nothing of its account that keyrota does not know may be lost by a change.
async fn one_account(
    my: &Mysql,
    m: &Material,
    session: &mut Session,
    server: &Server,
    account: &Account,
) -> Result<(), RotatorError> {
    if my.way() == Way::Both && !server.two_passwords {
        return Err(RotatorError::Refused(
            "this server keeps one password per account: accept the gap (accept_gap = true) or use alternating-users",
        ));
    }
    if server.dialect == Dialect::MySql {
        // Which one it is cannot be seen; while there is a candidate, it is the candidate or the current.
        let ours = m.pending.is_some();
        let second = operator::has_second(session, account).await?;
        return if second && !ours { Err(SECOND) } else { Ok(()) };
    }
    let known: Vec<_> = [Which::Current, Which::Pending, Which::Previous]
        .into_iter()
        .filter_map(|which| my.login(which, m).ok())
        .map(|login| hash::native(&login.password))
        .collect();
    for method in account.methods(session).await? {
        if !known.contains(&method.hash) {
            return Err(SECOND);
        }
    }
    Ok(())
}

/// A single user's way back sets a password that the account has had. Two users that take turns are
/// never given one again.
async fn way_back(
    memory: Memory,
    account: Option<&Account>,
    session: &mut Session,
) -> Result<(), RotatorError> {
    match memory {
        Memory::Nothing => Ok(()),
        Memory::ReuseCheck => Err(RotatorError::Refused(
            "the server's password_reuse_check would refuse the way back to the present password: use alternating-users, or uninstall the plugin",
        )),
        Memory::History { last, days } => {
            if !Account::remembers(account, last, days, session).await? {
                return Ok(());
            }
            Err(RotatorError::Refused(
                "the server's password history would refuse the way back to the present password: ALTER USER … PASSWORD HISTORY 0 PASSWORD REUSE INTERVAL 0 DAY, or use alternating-users",
            ))
        }
    }
}

const SECOND: RotatorError = RotatorError::Refused(
    "the account accepts a second password that keyrota does not know: find out who uses it, and remove it",
);

/// Before anything has begun, a login that is refused is a mistake to tell, not one to wait out.
fn for_good(e: RotatorError) -> RotatorError {
    match e {
        operator::ADMIN_REFUSED => RotatorError::Refused(
            "the server refuses the administrator's login: take the right one with `keyrota import`",
        ),
        other => other,
    }
}
