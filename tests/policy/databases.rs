//! A database's password, kept at AWS: a right that only the switch needs is missed before the server
//! is told anything.

use std::process::Stdio;
use std::sync::Arc;

use super::{parts, said, without};
use crate::databases::bed::{ADMIN, Bed, FIRST, Server};
use crate::support::keyrota::Ran;
use crate::support::moto::{Key, Moto, REGION};
use crate::support::postgres::Postgres;

fn run(bed: &Bed, moto: &Moto, key: &Key, args: &[&str], input: &str) -> Ran {
    let mut command = bed.keyrota.command(args);
    moto.tell(&mut command, key);
    command.stdin(Stdio::null());
    Ran::fed(&mut command, input)
}

fn no_server_is_told_too_early(moto: &Arc<Moto>, kind: &str) {
    for make in [Bed::one, Bed::two] {
        let bed = make(Server::Postgres(Postgres::shared()));
        let file = std::fs::read_to_string(bed.keyrota.path("schedules/development.toml"));
        let here = "[providers.local]\nkind = \"file\"\npath = \".keyrota/development.age\"\n";
        let there = format!(
            "[providers.local]\nkind = \"{kind}\"\nregion = \"{REGION}\"\nendpoint_url = \"{}\"\n",
            moto.url()
        );
        let text = file.unwrap().replace(here, &there);
        let text = text.replace(
            "[secrets.admin]\n",
            &format!("[secrets.admin]\npath = \"{}/admin\"\n", bed.name),
        );
        let path = format!("[secrets.database]\npath = \"{}/database\"\n", bed.name);
        bed.keyrota.write(
            "schedules/development.toml",
            &text.replace("[secrets.database]\n", &path),
        );
        let person = bed.keyrota.run(&["policy", "--import"]).code(0).stdout;
        let key = moto.user(&bed.name, &person);
        let login = [
            ("admin", bed.url("k", ADMIN)),
            ("database", bed.url("a", FIRST)),
        ];
        for (secret, value) in &login {
            run(&bed, moto, &key, &["import", secret, "--stdin"], value).code(0);
        }
        let policy = bed.keyrota.run(&["policy"]).code(0).json();
        // Those that a parameter or a secret that is there needs, with less than a hundred versions.
        let spare = ["secretsmanager:CreateSecret", "ssm:UnlabelParameterVersion"];
        for (sid, action) in parts(&policy) {
            if spare.contains(&action.as_str()) {
                continue;
            }
            moto.allow(&bed.name, &without(&policy, &sid, &action));
            let ran = run(&bed, moto, &key, &["rotate", "database", "--wait"], "");
            assert_eq!(bed.client(&login[1].1), Ok(()), "{sid} {action}: {ran:?}");
            assert!([20, 78].contains(&ran.code), "{sid} {action}: {ran:?}");
            assert!(said(&ran).contains(&action), "{sid} {action}: {ran:?}");
        }
        moto.allow(&bed.name, &policy.to_string());
        run(&bed, moto, &key, &["rotate", "database", "--wait"], "").code(0);
    }
}

#[test]
fn secrets_manager_is_asked_before_the_server() {
    let moto = crate::support::evidence::block_on(Moto::start());
    no_server_is_told_too_early(&Arc::new(moto), "aws-secrets-manager");
}

#[test]
fn parameter_store_is_asked_before_the_server() {
    let moto = crate::support::evidence::block_on(Moto::start());
    no_server_is_told_too_early(&Arc::new(moto), "aws-ssm");
}
