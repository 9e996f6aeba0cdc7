//! What AWS' own program parts say of credentials that cannot be had, and of a first value.

use std::process::Stdio;

use crate::support::keyrota::{Keyrota, Ran};
use crate::support::moto::Moto;

const CANARY: &str = "c4n4ry-5e55ion-0b7d";

const SCHEDULE: &str = r#"environment = "development"
[providers.far]
kind = "aws-secrets-manager"
region = "eu-central-1"
endpoint_url = "http://127.0.0.1:9"
profile = "ops"
[secrets.token]
kind = "random"
refresh = "0s"
length = 40
path = "token"
"#;

/// A credential process says why on its standard error; a line of the credentials file may be one
/// that is written wrongly.
#[test]
fn a_log_quotes_neither_a_credential_process_nor_the_credentials_file() {
    let process =
        format!("[profile ops]\ncredential_process = sh -c 'echo {CANARY} >&2; exit 1'\n");
    let colon = format!("[profile ops]\naws_access_key_id = AKID\naws_session_token: {CANARY}==\n");
    for (config, credentials) in [(&*process, ""), (&*colon, &*colon.replace("profile ", ""))] {
        let keyrota = Keyrota::in_temp();
        keyrota.write("schedules/development.toml", SCHEDULE);
        keyrota.write("config", config);
        keyrota.write("credentials", credentials);
        let mut command = keyrota.command(&["rotate", "token", "--dry-run"]);
        command
            .env("AWS_CONFIG_FILE", keyrota.path("config"))
            .env("AWS_SHARED_CREDENTIALS_FILE", keyrota.path("credentials"))
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("KEYROTA_LOG", "trace,aws_config=trace,aws_runtime=trace")
            .stdin(Stdio::null());
        let ran = Ran::of(command.output().unwrap());
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(
            said.contains("AWS"),
            "it does say that they are missing: {said}"
        );
        assert!(!said.to_lowercase().contains(CANARY), "{said}");
    }
}

/// Secrets Manager shows a first value to readers at once: the program would hear of it later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_value_for_a_program_is_not_made_where_readers_have_it_first() {
    let moto = Moto::start().await;
    let keyrota = Keyrota::in_temp();
    let program =
        "kind = \"command\"\nargv = [\"/bin/true\"]\nslots = \"dual\"\nwhen_absent = \"create\"";
    let schedule = SCHEDULE
        .replace("http://127.0.0.1:9", &moto.url())
        .replace("profile = \"ops\"\n", "")
        .replace("kind = \"random\"\nrefresh", &format!("{program}\nrefresh"))
        .replace("length = 40\n", "");
    keyrota.write("schedules/development.toml", &schedule);
    let mut command = keyrota.command(&["rotate", "token"]);
    moto.tell(&mut command, &moto.admin);
    let ran = Ran::of(command.stdin(Stdio::null()).output().unwrap()).code(20);
    assert!(ran.stdout.contains("keyrota import"), "{}", ran.stdout);
    let all = ["secretsmanager", "list-secrets", "--query", "SecretList"];
    assert_eq!(moto.aws(&all), "");
}
