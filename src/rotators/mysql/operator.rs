//! Who changes an account, and how.

use std::time::Duration;

use keyrota_contract::{Material, Probe, Quiet, RotatorError, Which};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::name::{Account, NATIVE};
use super::server::{Dialect, Server};
use super::session::{FULL, Fault, Session, first, quoted};
use super::users::{Mysql, NOT_OURS, Way};
use super::{change, hash, login, procedures};
use crate::rotators::database::{Login, admin_login};

/// How long an attempt that was told to end may take.
const QUIESCE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(200);

/// Makes the server accept a value.
pub(super) async fn install(
    my: &Mysql,
    which: Which,
    attempt: Uuid,
    m: &Material,
) -> Result<(), RotatorError> {
    let wanted = my.login(which, m)?;
    let current = my.login(Which::Current, m)?;
    if my.way() == Way::Turns && *wanted.user == *current.user {
        return Err(ACTIVE);
    }
    if my.way() != Way::Turns && *wanted.user != *current.user {
        return Err(NOT_OURS);
    }
    if my.settings.admin.is_none() {
        // Who changes itself has to know whether it has already done so.
        match tried(my, &wanted).await? {
            Probe::Accepted | Probe::Blocked => return Ok(()),
            Probe::Rejected => {}
            Probe::Unknown => return Err(UNREACHABLE),
        }
    }
    let mut session = open(my, m).await?;
    let done = match mark(&mut session, attempt).await {
        Ok(()) => install_in(my, &mut session, &wanted, &current, m).await,
        Err(e) => Err(e),
    };
    session.close().await;
    done
}

async fn install_in(
    my: &Mysql,
    session: &mut Session,
    wanted: &Login,
    current: &Login,
    m: &Material,
) -> Result<(), RotatorError> {
    let dialect = writable(my, session).await?.dialect;
    if my.settings.admin.is_none() {
        let sql = match dialect {
            Dialect::MariaDb { plain } => {
                Account::asking(session).await?.only_native(session).await?;
                change::own(&wanted.password, plain)
            }
            Dialect::MySql => change::own_first(&wanted.password),
        };
        return session.change(&sql).await;
    }
    let account = Account::of(&wanted.user, session).await?;
    let plugin = kept_plugin(dialect, &account, session).await?;
    let sql = match (dialect, my.way()) {
        (Dialect::MariaDb { plain }, Way::Both) => {
            // Both, whichever of them is asked for: the other one is, or will be, in use.
            let pending = my.login(Which::Pending, m).ok();
            let passwords = [Some(current), pending.as_ref()];
            let mut passwords: Vec<_> = passwords
                .into_iter()
                .flatten()
                .map(|login| login.password.as_str())
                .collect();
            passwords.dedup();
            accept_only(session, &account, &passwords, plain)
        }
        (Dialect::MariaDb { plain }, Way::Turns | Way::Replace) => {
            accept_only(session, &account, &[&wanted.password], plain)
        }
        (Dialect::MySql, Way::Turns | Way::Replace) => {
            change::set(&account, plugin, &wanted.password)
        }
        (Dialect::MySql, Way::Both) => {
            return retain(my, session, (&account, plugin), wanted, current).await;
        }
    };
    let Err(fault) = session.changed(&sql).await else {
        return Ok(());
    };
    if !fault.judged() {
        return Err(fault.changing());
    }
    // A server that remembers passwords refuses one that it has taken; then this was done before.
    match tried(my, wanted).await? {
        Probe::Accepted | Probe::Blocked => Ok(()),
        Probe::Rejected => Err(fault.changing()),
        Probe::Unknown => Err(UNREACHABLE),
    }
}

/// MySQL's second password. The statement must not be repeated, so a probe comes first.
async fn retain(
    my: &Mysql,
    session: &mut Session,
    (account, plugin): (&Account, &str),
    wanted: &Login,
    current: &Login,
) -> Result<(), RotatorError> {
    match tried(my, wanted).await? {
        Probe::Accepted | Probe::Blocked => return Ok(()),
        Probe::Rejected => {}
        Probe::Unknown => return Err(UNREACHABLE),
    }
    if has_second(session, account).await? {
        // What is retained is the first one, and the current one may be the second.
        let sql = change::set(account, plugin, &current.password);
        session.change(&sql).await?;
    }
    let sql = change::set_and_retain(account, plugin, &wanted.password);
    session.change(&sql).await
}

/// The plugin that keeps the account's password, before and after a change.
pub(super) async fn kept_plugin(
    dialect: Dialect,
    account: &Account,
    session: &mut Session,
) -> Result<&'static str, RotatorError> {
    match dialect {
        Dialect::MariaDb { .. } => account.only_native(session).await.map(|()| NATIVE),
        Dialect::MySql => account.plugin(session).await,
    }
}

/// MySQL: whether the account has a second password.
pub(super) async fn has_second(
    session: &mut Session,
    account: &Account,
) -> Result<bool, RotatorError> {
    let second = session.rows(&change::has_second(account)).await;
    let second = second.map_err(|f| f.asking(super::account::CANNOT_READ))?;
    Ok(first(&second) != Some("0"))
}

/// Makes the server refuse a value that is not current.
pub(super) async fn refuse(my: &Mysql, which: Which, m: &Material) -> Result<(), RotatorError> {
    let unwanted = my.login(which, m)?;
    let current = my.login(Which::Current, m)?;
    if which == Which::Current || *unwanted.password == *current.password {
        return Err(ACTIVE);
    }
    if my.way() == Way::Replace {
        // Setting the current one ended every other.
        return match login::both(&my.settings, &current).await {
            Probe::Accepted | Probe::Blocked => Ok(()),
            Probe::Unknown => Err(UNREACHABLE),
            Probe::Rejected => Err(RotatorError::Refused(
                "the server does not accept the current value",
            )),
        };
    }
    let turns = my.way() == Way::Turns;
    if turns && (*unwanted.user == *current.user || !my.settings.is_ours(&unwanted.user)) {
        return Err(ACTIVE);
    }
    let mut session = open(my, m).await?;
    let done = refuse_in(my, &mut session, &unwanted, &current).await;
    session.close().await;
    done
}

async fn refuse_in(
    my: &Mysql,
    session: &mut Session,
    unwanted: &Login,
    current: &Login,
) -> Result<(), RotatorError> {
    let dialect = writable(my, session).await?.dialect;
    let turns = my.way() == Way::Turns;
    let user = if turns { &unwanted.user } else { &current.user };
    let account = Account::of(user, session).await?;
    let plugin = kept_plugin(dialect, &account, session).await?;
    let once = session.rows("SELECT UUID()").await;
    let once = once.map_err(|f| f.asking(NOT_OPENED))?;
    let nobodys = hash::nobodys(current, user, first(&once).ok_or(UNREACHABLE)?);
    let only = if turns { &nobodys } else { &current.password };
    let statements = match dialect {
        Dialect::MariaDb { plain: false } if turns => vec![accept_none(session, &account)],
        Dialect::MariaDb { plain } => vec![accept_only(session, &account, &[only], plain)],
        // The first password, so that the second is what has to go, whichever of them it was.
        Dialect::MySql => vec![
            change::set(&account, plugin, only),
            change::discard(&account),
        ],
    };
    for sql in statements {
        session.change(&sql).await?;
    }
    Ok(())
}

/// MariaDB: the statement after which the account accepts these passwords only.
fn accept_only(
    session: &Session,
    account: &Account,
    passwords: &[&str],
    plain: bool,
) -> Zeroizing<String> {
    match session.procedures {
        true => Zeroizing::new(procedures::accept(account, passwords)),
        false => change::accept_only(account, passwords, plain),
    }
}

/// MariaDB: the statement after which the account accepts no password.
fn accept_none(session: &Session, account: &Account) -> Zeroizing<String> {
    match session.procedures {
        true => Zeroizing::new(procedures::refuse(account)),
        false => change::accept_none(account),
    }
}

/// Ends the session of an attempt, and waits until the server says that it is gone.
pub(super) async fn quiesce(my: &Mysql, attempt: Uuid, m: &Material) -> Quiet {
    let Ok(mut session) = open(my, m).await else {
        return Quiet::Unknown;
    };
    let over = tokio::time::timeout(QUIESCE, end(&mut session, attempt)).await;
    match over {
        Ok(Ok(())) => {
            session.close().await;
            Quiet::Quiet
        }
        // No goodbye: it would wait for the same server.
        Ok(Err(_)) | Err(_) => Quiet::Unknown,
    }
}

async fn end(session: &mut Session, attempt: Uuid) -> Result<(), Fault> {
    let holder = format!("SELECT IS_USED_LOCK({})", *quoted(&name(attempt)));
    loop {
        let rows = session.rows(&holder).await?;
        let Some(id) = first(&rows) else {
            return Ok(());
        };
        let id: u64 = id.parse().map_err(|_| Fault::Lost)?;
        match session.run(&format!("KILL CONNECTION {id}")).await {
            // It is gone already (1094), or is told to go and still on its way.
            Ok(()) | Err(Fault::Server(1094)) => {}
            Err(fault) => return Err(fault),
        }
        tokio::time::sleep(POLL).await;
    }
}

/// A session of the administrator; without one, of the account itself, by whichever value works.
pub(super) async fn open(my: &Mysql, m: &Material) -> Result<Session, RotatorError> {
    let at = my.settings.direct();
    if let Some(name) = &my.settings.admin {
        let admin = m.uses.get(name).ok_or(RotatorError::Refused(
            "the administrator's login is not there",
        ))?;
        let login = admin_login(&admin.value).map_err(RotatorError::Refused)?;
        return match Session::open(&my.settings, at, false, &login).await {
            Ok(session) => prepared(session).await,
            Err(Fault::Method) => Err(RotatorError::Refused(
                "the server asks the administrator for a login by a plugin that keyrota does not have (ed25519, PAM, GSSAPI, mysql_old_password): give it mysql_native_password, or on MySQL caching_sha2_password",
            )),
            Err(fault) if fault.is_full() => Err(FULL),
            Err(fault) => Err(match fault.login() {
                // Not for good: it is a secret that changes as well.
                Probe::Rejected => ADMIN_REFUSED,
                Probe::Blocked => RotatorError::Retry(
                    "the administrator's password is right, but the account is locked or has expired",
                ),
                Probe::Accepted | Probe::Unknown => UNREACHABLE,
            }),
        };
    }
    let mut doubt = false;
    for which in [Which::Current, Which::Pending, Which::Previous] {
        let Ok(login) = my.login(which, m) else {
            continue;
        };
        match Session::open(&my.settings, at, false, &login).await {
            Ok(session) => return prepared(session).await,
            Err(fault) if fault.is_full() => return Err(FULL),
            Err(fault) => doubt |= fault.login() != Probe::Rejected,
        }
    }
    Err(if doubt {
        UNREACHABLE
    } else {
        RotatorError::Refused("the server accepts none of the known passwords of the account")
    })
}

async fn prepared(mut session: Session) -> Result<Session, RotatorError> {
    match session.prepare().await {
        Ok(()) => Ok(session),
        Err(Fault::Server(1820)) => Err(RotatorError::Retry(
            "the password of who changes the account has expired",
        )),
        Err(fault) => Err(fault.asking(NOT_OPENED)),
    }
}

/// Takes the attempt's lock: from here on the server knows whose session this is.
async fn mark(session: &mut Session, attempt: Uuid) -> Result<(), RotatorError> {
    lock(session, &quoted(&name(attempt))).await
}

/// Whether the server has such locks: takes one of no attempt, for as long as the session lasts.
/// Every user of the server may hold a name that they can guess, so this one is nobody's to guess.
pub(super) async fn try_lock(session: &mut Session) -> Result<(), RotatorError> {
    lock(session, "concat('keyrota/', UUID())").await
}

async fn lock(session: &mut Session, name: &str) -> Result<(), RotatorError> {
    match session.rows(&format!("SELECT GET_LOCK({name}, 0)")).await {
        Ok(rows) if first(&rows) == Some("1") => Ok(()),
        Ok(_) => Err(RotatorError::Retry("the same attempt is still under way")),
        // How a Galera cluster says that it keeps no such locks.
        Err(Fault::Server(1235 | 1105)) => Err(RotatorError::Refused(
            "the server has no named locks (GET_LOCK): without them an attempt's end cannot be seen",
        )),
        Err(fault) => Err(fault.asking(NOT_OPENED)),
    }
}

/// What the server is, if it can be changed now.
pub(super) async fn writable(my: &Mysql, session: &mut Session) -> Result<Server, RotatorError> {
    let server = Server::look(session).await;
    let server = server.map_err(|f| f.asking(NOT_OPENED))?;
    let mut server = server.ok_or(RotatorError::Refused(
        "the server is neither MariaDB nor MySQL",
    ))?;
    if server.read_only {
        return Err(RotatorError::Retry(
            "the server is read-only: a replica? name the primary",
        ));
    }
    // A procedure is given hashes, which a server that judges passwords does not take.
    if my.settings.admin.is_some() && server.dialect == (Dialect::MariaDb { plain: false }) {
        let granted = procedures::granted(session, my.settings.users()).await;
        session.procedures = granted.map_err(|f| f.asking(NOT_OPENED))?;
        server.two_passwords |= session.procedures;
    }
    Ok(server)
}

/// What the server itself says to a login.
async fn tried(my: &Mysql, login: &Login) -> Result<Probe, RotatorError> {
    match login::attempt(&my.settings, my.settings.direct(), login).await {
        Ok(_) => Ok(Probe::Accepted),
        Err(Fault::Method) => Err(RotatorError::Refused(login::NO_METHOD)),
        Err(fault) => Ok(fault.login()),
    }
}

/// The name of an attempt's lock; a server takes 64 characters.
fn name(attempt: Uuid) -> String {
    format!("keyrota/{attempt}")
}

pub(super) const ADMIN_REFUSED: RotatorError =
    RotatorError::Retry("the administrator's login is refused");
const UNREACHABLE: RotatorError = RotatorError::Retry("the server cannot be asked now");
const NOT_OPENED: &str = "the server does not let the session be prepared";
const ACTIVE: RotatorError =
    RotatorError::Refused("this would change the login that is in use, and that is never done");
