//! Builds without AWS, and without Vault: what they leave out is known and refused, and all else works.

use std::time::Instant;

use crate::support::cargo::{self, cargo};
use crate::support::keyrota::Keyrota;
use crate::tidy::tree::root;

/// Its unit tests of files and commands are run, and then the program.
#[test]
fn a_build_without_aws() {
    let left_out = [("aws-secrets-manager", 7), ("aws-ssm", 9)];
    refused(
        build("without-aws", "keyrota/vault"),
        "file, vault",
        &left_out,
    );
}

#[test]
fn a_build_without_any_provider_of_a_service() {
    let left_out = [("aws-secrets-manager", 7), ("aws-ssm", 9), ("vault", 11)];
    refused(build("without-any", ""), "file", &left_out);
}

/// Features are named here; `keyrota-rest` is built too, so that libraries have the features that they
/// have in a whole build.
fn build(name: &str, features: &str) -> Keyrota {
    let begun = Instant::now();
    let packages = ["--package", "keyrota", "--package", "keyrota-rest"];
    let features = ["--no-default-features", "--features", features];
    let run = |first: &[&str], last: &[&str]| {
        let args = [first, &packages, &features, last].concat();
        cargo(root(), name, &args).code(0)
    };
    let tests = run(
        &["test", "--lib"],
        &["--", "config::", "stores::", "commands::"],
    );
    let passed = tests.stdout.matches(" ... ok\n").count();
    assert!(passed > 50, "{tests:?}");
    run(&["build"], cargo::PROGRAM);
    println!(
        "{features:?}: {passed} unit tests passed, {:?}",
        begun.elapsed()
    );

    Keyrota::in_temp().with(cargo::target().join(name).join("debug/keyrota"))
}

/// `left_out`: the words that this build knows and has not, and the lines of the schedule they stand in.
fn refused(keyrota: Keyrota, has: &str, left_out: &[(&str, u32)]) {
    let providers = keyrota.run(&["providers", "--json"]).code(0).json();
    let kinds = providers["providers"].as_array().unwrap().iter();
    let kinds: Vec<&str> = kinds.map(|p| p["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.join(", "), has);
    let schema = keyrota.run(&["schema"]).code(0).stdout;
    assert!(schema.contains("recipients"), "{schema}");
    for (word, _) in left_out {
        assert!(!schema.contains(&format!("\"{word}\"")), "{word}");
    }

    let schedule = |providers: &str| {
        format!(
            "environment = \"development\"\n[defaults]\nrefresh = \"0s\"\n{providers}\n[secrets.token]\n\
             kind = \"random\"\nprovider = \"main\"\n"
        )
    };
    let file = "schedules/development.toml";
    let main = "[providers.main]\nkind = \"file\"\npath = \"d.age\"";
    keyrota.write(file, &schedule(main));
    keyrota.run(&["validate"]).code(0);
    let policy = keyrota.run(&["policy"]).code(78).stderr;
    assert!(policy.contains("the system gives the rights"), "{policy}");
    keyrota.run(&["plan", "--setup"]).code(0);
    keyrota.run(&["init"]).code(0);
    keyrota.run(&["rotate", "token", "--wait"]).code(0);
    keyrota.run(&["audit", "verify"]).code(0);

    let others = left_out
        .iter()
        .map(|(word, _)| format!("[providers.{word}]\nkind = \"{word}\""));
    let all: Vec<String> = [main.to_owned()].into_iter().chain(others).collect();
    keyrota.write(file, &schedule(&all.join("\n")));
    for command in [&["validate"][..], &["policy"], &["rotate", "token"]] {
        let ran = keyrota.run(command).code(78);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        for (word, line) in left_out {
            let sentence = format!("the provider kind \"{word}\" is not built in\n");
            let place = format!("{file}:{}:8: providers.{word}.kind: ", line + 1);
            assert!(
                said.contains(&format!("{place}{sentence}")),
                "{place}{sentence}{said}"
            );
        }
        assert!(
            said.contains(&format!("= help: this build has {has}\n")),
            "{said}"
        );
    }
}
