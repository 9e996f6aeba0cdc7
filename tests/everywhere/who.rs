//! As whom AWS is asked: what is configured wrongly is told at once and by name, and a service that fails is
//! waited for.

use std::process::Command;

use keyrota_contract::Stage;

use super::bed::Stores;
use super::faults::{Token, When, call};
use crate::support::http_proxy::Spoil::{self, Answer};
use crate::support::keyrota::Ran;

const ROLE: &str = "role_arn = \"arn:aws:iam::123456789012:role/keyrota\"";

/// Who asks, beside the provider's own keys.
type Change = fn(&mut Command);

/// What the provider says more, who asks, what STS answers, the code before anything began, the sentence.
type Row = (&'static str, Change, Spoil, i32, &'static str);

const ROWS: &[Row] = &[
    (
        "profile = \"nosuch\"",
        as_told,
        REFUSED,
        78,
        "the `profile` is missing",
    ),
    (
        "",
        without_keys,
        REFUSED,
        75,
        "no AWS credentials are found",
    ),
    (
        ROLE,
        without_keys,
        REFUSED,
        75,
        "no AWS credentials are found",
    ),
    (
        ROLE,
        as_told,
        REFUSED,
        78,
        "STS refuses the role: check `role_arn`",
    ),
    (
        ROLE,
        as_told,
        Answer(403, "InvalidClientTokenId"),
        78,
        "AWS does not know these credentials",
    ),
    (
        ROLE,
        as_told,
        Answer(403, "SignatureDoesNotMatch"),
        78,
        "the secret access key",
    ),
    (
        ROLE,
        as_told,
        Answer(400, "Throttling"),
        75,
        "asked too often",
    ),
    (
        ROLE,
        as_told,
        Answer(503, "ServiceUnavailable"),
        75,
        "an error of its own",
    ),
    (
        ROLE,
        as_told,
        Answer(400, "ExpiredTokenException"),
        75,
        "could not be fetched",
    ),
    (
        ROLE,
        as_told,
        Spoil::ResetBefore,
        75,
        "could not be fetched",
    ),
];

/// As AWS' documentation has it.
const REFUSED: Spoil = Answer(
    403,
    "AccessDenied: User: arn:aws:iam::1:user/ops is not authorized to perform: sts:AssumeRole",
);

fn as_told(_: &mut Command) {}

fn without_keys(command: &mut Command) {
    command.env_remove("AWS_ACCESS_KEY_ID");
    command.env_remove("AWS_SECRET_ACCESS_KEY");
}

#[test]
fn wrong_credentials_are_told_by_name() {
    let stores = Stores::start();
    let token = Token::new(&stores, "sm", "who/token");
    let sts = stores.proxy("sm");
    let file = token.bed.keyrota.path("schedules/development.toml");
    let sound = std::fs::read_to_string(&file).unwrap();
    let run = |args: &[&str], row: &Row| {
        let kind = "kind = \"aws-secrets-manager\"";
        let text = sound.replace(kind, &format!("{kind}\n{}", row.0));
        std::fs::write(&file, text).unwrap();
        let mut command = token.bed.command(args);
        command.env("AWS_ENDPOINT_URL_STS", sts.url());
        (row.1)(&mut command);
        sts.fail(("", 0), usize::MAX, row.2);
        let ran = Ran::fed(&mut command, "");
        std::fs::write(&file, &sound).unwrap();
        ran
    };
    for row in ROWS {
        let (more, _, _, code, says) = *row;
        let old = token.value(Stage::Current).unwrap();
        let ran = run(&["rotate", "token"], row).code(code);
        assert!(ran.stdout.contains(says), "{more}: {ran:?}");
        assert!(!token.evidence().under_way(), "{more}: nothing was begun");
        // Under way it is the same sentence: a person is needed, or it is tried again.
        let switch = call("sm", When::Finish);
        token.proxy.fail(switch, 1, Spoil::ResetBefore);
        token.bed.run(&["rotate", "token"]).code(21);
        let code = if code == 78 { 22 } else { 21 };
        let ran = run(&["resume", "token"], row).code(code);
        assert!(ran.stdout.contains(says), "{more}: {ran:?}");
        assert_eq!(token.value(Stage::Current).as_ref(), Some(&old), "{more}");
        token.bed.run(&["resume", "token", "--wait"]).code(0);
        assert_ne!(token.value(Stage::Current).unwrap(), old, "{more}");
    }
    // A profile that is named is asked, whatever the environment has.
    token.bed.keyrota.write(
        "profiles",
        &format!(
            "[ops]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            stores.moto.admin.id, stores.moto.admin.secret
        ),
    );
    let of_profile: Change = |command| {
        command.env("AWS_SHARED_CREDENTIALS_FILE", "profiles");
        command.env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7NOTTHERE");
    };
    run(
        &["rotate", "token"],
        &("profile = \"ops\"", of_profile, REFUSED, 0, ""),
    )
    .code(0);
    token.bed.run(&["audit", "verify"]).code(0);
}
