//! Credentials that waiting never brings are reported at once, each time, with what to do; those that may still
//! come are waited for.

use std::path::Path;
use std::process::Stdio;

use crate::support::keyrota::{Keyrota, Ran};

const SCHEDULE: &str = r#"environment = "development"
[providers.far]
kind = "aws-KIND"
region = "eu-central-1"
endpoint_url = "http://127.0.0.1:9"
profile = "ops"
[secrets.token]
kind = "random"
refresh = "0s"
length = 40
path = "token"
"#;

const KEYS: &str =
    "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = c4n4ry-0b7d-5e55ion\n";
const SSO: &str = "IAM Identity Center";
const LATER: i32 = 75;
const NEVER: i32 = 78;

/// The configuration file, the exit code, and words of the sentence.
const PROFILES: &[(&str, i32, &str)] = &[
    // `aws configure sso`, of today and of before.
    (
        "[profile ops]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = ops\n[sso-session corp]\nsso_region = eu-central-1\nsso_start_url = https://corp.awsapps.com/start\n",
        NEVER,
        SSO,
    ),
    (
        "[profile ops]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = eu-central-1\nsso_account_id = 123456789012\nsso_role_name = ops\n",
        NEVER,
        SSO,
    ),
    // Only for a token; without its session; without a part of it; twice said; behind a role.
    (
        "[profile ops]\nsso_session = corp\n[sso-session corp]\nsso_region = eu-central-1\nsso_start_url = https://corp.awsapps.com/start\n",
        NEVER,
        SSO,
    ),
    (
        "[profile ops]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = ops\n",
        NEVER,
        SSO,
    ),
    (
        "[profile ops]\nsso_start_url = https://corp.awsapps.com/start\nsso_account_id = 123456789012\nsso_role_name = ops\n",
        NEVER,
        SSO,
    ),
    (
        "[profile ops]\nsso_session = corp\nsso_region = eu-central-1\nsso_account_id = 1\n[sso-session corp]\nsso_region = eu-central-1\n",
        NEVER,
        SSO,
    ),
    (
        "[profile ops]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = me\n[profile me]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = eu-central-1\nsso_account_id = 123456789012\nsso_role_name = ops\n",
        NEVER,
        SSO,
    ),
    (
        "[profile ops]\nlogin_session = arn:aws:iam::123456789012:user/ops\n",
        NEVER,
        "`aws login`",
    ),
    // Missing: in an empty file, beside others, behind a role; a name in the wrong form.
    ("", NEVER, "the `profile` is missing"),
    ("[profile other]\nKEYS", NEVER, "the `profile` is missing"),
    ("[default]\nKEYS", NEVER, "the `profile` is missing"),
    ("[ops]\nKEYS", NEVER, "the `profile` is missing"),
    (
        "[profile ops]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = nosuch\n",
        NEVER,
        "`source_profile`",
    ),
    (
        "[profile ops]\nregion = eu-central-1\n",
        NEVER,
        "has no credentials in it",
    ),
    // Half a key, a loop, no source, two sources, a source that does not exist.
    (
        "[profile ops]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n",
        NEVER,
        "a key needs both of its halves",
    ),
    (
        "[profile ops]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = me\n[profile me]\nrole_arn = arn:aws:iam::123456789012:role/y\nsource_profile = ops\n",
        NEVER,
        "without end",
    ),
    (
        "[profile ops]\nrole_arn = arn:aws:iam::123456789012:role/x\n",
        NEVER,
        "one `source_profile`",
    ),
    (
        "[profile ops]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = me\ncredential_source = Environment\n[profile me]\nKEYS",
        NEVER,
        "one `source_profile`",
    ),
    (
        "[profile ops]\nrole_arn = arn:aws:iam::123456789012:role/x\ncredential_source = Ec2Metadata\n",
        NEVER,
        "Ec2InstanceMetadata",
    ),
    (
        "[profile ops]\nweb_identity_token_file = /nonexistent/token\n",
        NEVER,
        "one `source_profile`",
    ),
    ("[profile ops\nKEYS", NEVER, "a line is neither"),
    // Programs that are not there, and may not be run.
    (
        "[profile ops]\ncredential_process = /nonexistent/get-credentials --json\n",
        NEVER,
        "`credential_process`",
    ),
    (
        "[profile ops]\ncredential_process = /etc/passwd\n",
        NEVER,
        "`credential_process`",
    ),
    (
        "[profile ops]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = me\n[profile me]\ncredential_process = no-such-program-anywhere\n",
        NEVER,
        "`credential_process`",
    ),
    // What may come: a person signs in, the platform puts the file there.
    (
        "[profile ops]\ncredential_process = echo c4n4ry >&2; exit 1\n",
        LATER,
        "could not be fetched",
    ),
    (
        "[profile ops]\ncredential_process = echo c4n4ry\n",
        LATER,
        "could not be fetched",
    ),
    (
        "[profile ops]\nrole_arn = arn:aws:iam::123456789012:role/x\nweb_identity_token_file = /nonexistent/token\n",
        LATER,
        "web identity token file",
    ),
    (
        "[profile ops]\nrole_arn = arn:aws:iam::123456789012:role/x\ncredential_source = Ec2InstanceMetadata\n",
        LATER,
        "credentials",
    ),
    // And those that are there: nobody listens at the address.
    ("[profile ops]\nKEYS", LATER, "AWS is not reached"),
];

/// What is in the environment, without a `profile` in the schedule.
type Row = (
    &'static [(&'static str, &'static str)],
    &'static str,
    i32,
    &'static str,
);
const ENVIRONMENTS: &[Row] = &[
    (&[], "", LATER, "no AWS credentials are found"),
    (
        &[],
        "[profile other]\nKEYS",
        LATER,
        "no AWS credentials are found",
    ),
    (
        &[("AWS_PROFILE", "ops")],
        "",
        LATER,
        "no AWS credentials are found",
    ),
    (
        &[("AWS_PROFILE", "ops")],
        "[profile other]\nKEYS",
        NEVER,
        "the `profile` is missing",
    ),
    (
        &[("AWS_PROFILE", "ops")],
        "[profile ops]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = eu-central-1\nsso_account_id = 123456789012\nsso_role_name = ops\n",
        NEVER,
        SSO,
    ),
    (
        &[("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")],
        "",
        NEVER,
        "half of an AWS key",
    ),
    (
        &[("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent/token")],
        "",
        NEVER,
        "AWS_ROLE_ARN",
    ),
    (
        &[
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent/token"),
            ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/x"),
        ],
        "",
        LATER,
        "web identity token file",
    ),
];

/// A schedule, and files and an environment of AWS' that nobody else has.
fn told(schedule: &str, config: &str, environment: &[(&str, &str)]) -> Ran {
    let keyrota = Keyrota::in_temp();
    keyrota.write("schedules/development.toml", schedule);
    keyrota.write("config", &config.replace("KEYS", KEYS));
    keyrota.write("credentials", "");
    let mut command = keyrota.command(&["rotate", "token"]);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|n| n.starts_with("AWS_")) {
            command.env_remove(name);
        }
    }
    command
        .env("AWS_CONFIG_FILE", keyrota.path("config"))
        .env("AWS_SHARED_CREDENTIALS_FILE", keyrota.path("credentials"))
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(environment.iter().copied())
        .stdin(Stdio::null());
    let ran = Ran::of(command.output().unwrap());
    assert!(!Path::new("/nonexistent").exists());
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(!said.contains("c4n4ry"), "{said}");
    ran
}

#[test]
fn what_waiting_never_mends_is_said_at_once() {
    for (n, (config, code, says)) in PROFILES.iter().enumerate() {
        let kind = ["secrets-manager", "ssm"][n % 2];
        let ran = told(&SCHEDULE.replace("KIND", kind), config, &[]);
        assert_eq!(ran.code, *code, "{config}: {ran:?}");
        assert!(ran.stdout.contains(says), "{config}: {ran:?}");
    }
}

#[test]
fn and_so_is_what_the_environment_lacks() {
    let schedule = SCHEDULE.replace("profile = \"ops\"\n", "");
    for (n, (environment, config, code, says)) in ENVIRONMENTS.iter().enumerate() {
        let kind = ["secrets-manager", "ssm"][n % 2];
        let ran = told(&schedule.replace("KIND", kind), config, environment);
        assert_eq!(ran.code, *code, "{environment:?} {config}: {ran:?}");
        assert!(
            ran.stdout.contains(says),
            "{environment:?} {config}: {ran:?}"
        );
    }
}
