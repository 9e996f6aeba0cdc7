//! What a store, or the way to it, does wrong, as an operator sees it: the real program with a proxy before
//! a real server. Each row is one rotation that is disturbed at one of its writes, or from there on.
//!
//! Whatever it was: the sentence says what to do, tries grow apart and are few, what was current stays
//! readable until the new one is current, one value is made, and then the rotation ends.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use keyrota_contract::Stage;

use super::bed::{Bed, Stores};
use crate::recovery::on_two_threads;
use crate::support::evidence::Evidence;
use crate::support::http_proxy::{Proxy, Spoil};
use crate::support::keyrota::Ran;
use crate::support::leaks::Leaks;
use Spoil::{Answer, AnswerAfter, Late, ResetAfter, ResetBefore, Truncate};
use When::{Before, Create, Finish, Retire};

/// Which call is disturbed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum When {
    /// The first one.
    Before,
    /// The write of the candidate.
    Create,
    /// The switch.
    Finish,
    /// The end of the old value.
    Retire,
}

/// When, what, whether it lasts, the exit code and words of the sentence.
type Row = (When, Spoil, Lasts, i32, &'static str);

/// How long it goes on.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Lasts {
    /// One call.
    Once,
    /// Until somebody mends it, after so many tries.
    Tries(i32),
}
use Lasts::{Once, Tries};

const DOUBT: &str = "whether it took effect is not known";
const TOO_OFTEN: Spoil = Answer(400, "ThrottlingException");
const EXPIRED: Spoil = Answer(400, "ExpiredTokenException");
const DELETED: Spoil = Answer(400, "UnrecognizedClientException");
const EARLY: Spoil = Answer(400, "InvalidSignatureException: Signature not yet current");

const AWS: &[Row] = &[
    (Before, TOO_OFTEN, Tries(1), 75, "asked too often"),
    (Before, EXPIRED, Tries(1), 75, "session has expired: renew"),
    (
        Before,
        DELETED,
        Tries(1),
        78,
        "does not know these credentials",
    ),
    (Create, TOO_OFTEN, Tries(2), 21, "asked too often"),
    (Create, ResetAfter, Once, 21, DOUBT),
    (Create, Truncate, Once, 21, DOUBT),
    (
        Create,
        AnswerAfter(500, "InternalServerError"),
        Once,
        21,
        DOUBT,
    ),
    (Finish, TOO_OFTEN, Tries(5), 21, "asked too often"),
    (
        Finish,
        Answer(500, "InternalServiceError"),
        Tries(2),
        21,
        "AWS has an error of its own",
    ),
    (
        Finish,
        Answer(503, "ServiceUnavailable"),
        Tries(2),
        21,
        "AWS has an error of its own",
    ),
    (
        Finish,
        AnswerAfter(500, "InternalServerError"),
        Once,
        21,
        DOUBT,
    ),
    (
        Finish,
        ResetBefore,
        Tries(2),
        21,
        "the connection to AWS broke",
    ),
    (Finish, ResetAfter, Once, 21, DOUBT),
    (Finish, Truncate, Once, 21, DOUBT),
    (
        Finish,
        Late(Duration::from_secs(9)),
        Once,
        21,
        "did not answer in time",
    ),
    (Finish, EXPIRED, Tries(5), 21, "session has expired: renew"),
    (
        Finish,
        Answer(400, "RequestExpired"),
        Tries(2),
        21,
        "set this host's clock",
    ),
    (Finish, EARLY, Tries(2), 21, "set this host's clock"),
    (
        Finish,
        DELETED,
        Tries(1),
        22,
        "does not know these credentials",
    ),
    (Retire, ResetAfter, Once, 21, DOUBT),
    (Retire, EXPIRED, Tries(2), 21, "session has expired: renew"),
];

const LOST: &str = "its outcome did not come back";
const LIMITED: Spoil = Answer(429, "request path: rate limit quota exceeded");
const SEALED: Spoil = Answer(503, "Vault is sealed");
const UNKNOWN: Spoil = Answer(403, "permission denied");
const ENDED: &str = "expired, was revoked";

const VAULT: &[Row] = &[
    (Before, LIMITED, Tries(1), 75, "how often it is asked"),
    (Before, SEALED, Tries(1), 75, "the server is sealed"),
    (Before, UNKNOWN, Tries(1), 75, ENDED),
    (Create, LIMITED, Tries(2), 21, "how often it is asked"),
    (Create, ResetAfter, Once, 21, LOST),
    (Create, Truncate, Once, 21, LOST),
    (Create, AnswerAfter(500, "internal error"), Once, 21, LOST),
    (Finish, LIMITED, Tries(5), 21, "how often it is asked"),
    (Finish, Answer(500, "internal error"), Tries(1), 21, LOST),
    (Finish, Answer(502, ""), Tries(1), 21, LOST),
    (Finish, Answer(503, ""), Tries(1), 21, LOST),
    (Finish, AnswerAfter(500, "internal error"), Once, 21, LOST),
    (Finish, ResetBefore, Tries(1), 21, LOST),
    (Finish, ResetAfter, Once, 21, LOST),
    (Finish, Truncate, Once, 21, LOST),
    (Finish, Late(Duration::from_millis(10_500)), Once, 21, LOST),
    (Finish, SEALED, Tries(5), 21, "the server is sealed"),
    (Finish, UNKNOWN, Tries(5), 21, ENDED),
    (
        Finish,
        Answer(307, ""),
        Tries(2),
        21,
        "set `address` to one that answers",
    ),
    (
        Finish,
        Answer(472, ""),
        Tries(2),
        21,
        "set `address` to one that answers",
    ),
    (
        Finish,
        Answer(473, ""),
        Tries(2),
        21,
        "set `address` to one that answers",
    ),
    // Its token lives: a right was taken away.
    (Finish, UNKNOWN, Once, 22, "lacks a right"),
    (Retire, ResetAfter, Once, 21, LOST),
    (Retire, SEALED, Tries(2), 21, "the server is sealed"),
];

#[test]
fn secrets_manager_fails_in_every_way() {
    every_row("sm", AWS);
}

#[test]
fn parameter_store_fails_in_every_way() {
    every_row("ssm", AWS);
}

#[test]
fn vault_fails_in_every_way() {
    every_row("vault", VAULT);
}

/// The call that is meant, and how many such ones come before: questions for rights look like them.
pub fn call(provider: &str, when: When) -> (&'static str, usize) {
    match (provider, when) {
        (_, Before) => ("", 0),
        ("sm", Create) => ("PutSecretValue", 0),
        ("sm", Finish) => ("UpdateSecretVersionStage", 1),
        ("sm", Retire) => ("UpdateSecretVersionStage", 3),
        ("ssm", Create) => ("PutParameter", 1),
        ("ssm", Finish) => ("PutParameter", 2),
        ("ssm", Retire) => ("LabelParameterVersion", 1),
        (_, Create) => ("POST kv/data/", 0),
        (_, Finish) => ("POST kv/data/", 1),
        (_, Retire) => ("kv/destroy/", 0),
    }
}

/// A token, told to one program and awaited by nobody, that was made once.
pub struct Token {
    pub bed: Bed,
    pub proxy: Proxy,
    provider: &'static str,
    path: String,
}

impl Token {
    pub fn new(stores: &Arc<Stores>, provider: &'static str, path: &str) -> Self {
        let proxy = stores.proxy(provider);
        let secret = format!(
            "[secrets.token]\nkind = \"random\"\nprovider = \"{provider}\"\npath = \"{path}\"\nrefresh = \"0s\"\n\
             env = \"TOKEN\"\n[[secrets.token.consumers]]\nkind = \"command\"\nargv = [\"/bin/true\"]\n"
        );
        let token = Self {
            bed: Bed::behind(stores.clone(), &proxy, &secret),
            proxy,
            provider,
            path: path.to_owned(),
        };
        token.bed.run(&["rotate", "token", "--wait"]).code(0);
        token
    }

    pub fn value(&self, stage: Stage) -> Option<String> {
        self.bed.stores.value(self.provider, &self.path, stage)
    }

    pub fn evidence(&self) -> Evidence {
        Evidence::of(&self.bed.keyrota.path(".keyrota"), "token")
    }

    /// How often the rotation under way failed in a row, and until when it waits (milliseconds).
    pub fn retry(&self) -> (u64, i64) {
        let record = &self.evidence().rotations[0].record;
        let journal: serde_json::Value = serde_json::from_str(record).unwrap();
        let machine = &journal["machine"];
        let until = machine["retry_at"].as_i64().unwrap_or(0);
        (machine["failures"].as_u64().unwrap(), until)
    }
}

fn every_row(provider: &'static str, rows: &'static [Row]) {
    let stores = Stores::start();
    let chains = [&rows[..rows.len() / 2], &rows[rows.len() / 2..]];
    let rows: u32 = on_two_threads(chains.into_iter().enumerate().map(|(n, rows)| {
        let stores = stores.clone();
        move || {
            let token = Token::new(&stores, provider, &format!("faults/{n}"));
            for row in rows {
                one_row(&token, row);
            }
            u32::try_from(rows.len()).unwrap()
        }
    }));
    println!("{provider}: {rows} rotations disturbed, 0 violations");
}

fn one_row(token: &Token, &(when, spoil, lasts, code, says): &Row) {
    let case = format!("{} {when:?} {spoil:?}", token.provider);
    let (old, known) = (token.value(Stage::Current).unwrap(), rotations(token));
    let mut told = Vec::new();
    let run = |args: &[&str]| {
        let mut command = token.bed.command(args);
        Ran::fed(command.env("KEYROTA_LOG", "trace"), "")
    };
    let (times, tries) = match lasts {
        Once => (1, 1),
        Tries(tries) => (usize::MAX, tries),
    };
    token.proxy.fail(call(token.provider, when), times, spoil);
    for n in 1..=tries {
        let (began, spoilt) = (now(), token.proxy.spoilt());
        let ran = match n {
            1 => run(&["rotate", "token"]),
            _ => run(&["resume", "token"]),
        };
        let ended = now();
        assert_eq!(ran.code, code, "{case}, try {n}: {ran:?}");
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains(says), "{case}, try {n}: {ran:?}");
        told.push(said);
        // A token is asked whether it lives; a refused look, which right was missing.
        let most = match code {
            _ if says == ENDED || says.contains("lacks") => 5,
            78 => 2,
            _ => 1,
        };
        assert!(token.proxy.spoilt() - spoilt <= most, "{case}: it insists");
        if code != 21 {
            continue;
        }
        assert!(
            ran.stdout.contains("keyrota resume NAME"),
            "{case}: {ran:?}"
        );
        let (failures, until) = token.retry();
        assert_eq!(failures, u64::try_from(n).unwrap(), "{case}");
        let full = 1_000 << (n - 1);
        assert!(until >= began + full / 2, "{case}, try {n}: too soon");
        assert!(until <= ended + full, "{case}, try {n}: too late");
    }
    // What is current works, the old one is there, and one candidate at most.
    let (seen, pending) = (
        token.value(Stage::Current).unwrap(),
        token.value(Stage::Pending),
    );
    if when == Before || when == Create {
        assert_eq!(seen, old, "{case}");
    }
    if when != Retire && seen != old {
        assert_eq!(token.value(Stage::Previous).as_ref(), Some(&old), "{case}");
    }
    if when == Before {
        assert_eq!(rotations(token), known, "{case}: nothing was begun");
    }
    if tries > 4 {
        // Nothing is asked before its time: it is eight seconds away.
        let calls = token.proxy.calls().len();
        let early = run(&["rotate", "token"]).code(21);
        assert!(early.stdout.contains(says), "{case}: {early:?}");
        assert_eq!(token.proxy.calls().len(), calls, "{case}: it does not wait");
        let status = run(&["status", "--json"]).code(0).json();
        let waits = &status["secrets"][0]["rotation"];
        assert_eq!(waits["waits_for"], "retry", "{case}: {waits}");
        assert_eq!(waits["failures"], tries, "{case}: {waits}");
        assert!(waits["failure"].as_str().unwrap().contains(says), "{case}");
    }
    token.proxy.lift();
    let end = match when {
        Before => ["rotate", "token", "--wait"],
        _ => ["resume", "token", "--wait"],
    };
    let ran = run(&end).code(0);
    told.push(ran.stdout + &ran.stderr);
    let new = token.value(Stage::Current).unwrap();
    assert_ne!(new, old, "{case}");
    assert!(seen == old || seen == new, "{case}: a third value");
    assert!(
        pending.is_none_or(|p| p == new),
        "{case}: a second candidate"
    );
    assert_eq!(
        token.value(Stage::Pending),
        None,
        "{case}: a candidate is left"
    );
    assert_eq!(
        token.value(Stage::Previous),
        None,
        "{case}: the old one is left"
    );
    let evidence = token.evidence();
    assert_eq!(evidence.rotations.len(), known + 1, "{case}: one rotation");
    assert!(!evidence.under_way(), "{case}");
    assert_eq!(evidence.report.exit_code(), 0, "{case}");
    let stores = &token.bed.stores;
    let leaks = Leaks::of(&[
        ("old", old.as_str()),
        ("new", &new),
        ("the key of AWS", &stores.moto.admin.secret),
        ("the token of Vault", stores.bao.root_token()),
    ]);
    let may_hold = |path: &std::path::Path| path.file_name().is_some_and(|n| n == "token");
    let mut found = leaks.below(token.bed.keyrota.dir(), &may_hold);
    found.extend(
        told.iter()
            .flat_map(|t| leaks.in_text("told", t.as_bytes())),
    );
    assert_eq!(found, [""; 0], "{case}");
}

fn rotations(token: &Token) -> usize {
    token.evidence().rotations.len()
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(since.unwrap().as_millis()).unwrap()
}
