//! What is wrong between files, and what a directory can do.

use std::path::Path;

use super::{kinds, load, now, rendered};
use crate::config::{Loaded, host, render, source};

fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

fn schedule(environment: &str, document: &str, rest: &str) -> String {
    let identity = match environment {
        "development" => String::new(),
        _ => format!(
            "recipients = [\"age1{}\"]\nidentity = {{ env = \"ID\" }}\n",
            "q".repeat(58)
        ),
    };
    format!(
        "environment = \"{environment}\"\n[defaults]\nrefresh = \"1m\"\n[providers.p]\nkind = \"file\"\npath = \"{document}\"\n{identity}{rest}"
    )
}

fn told(loaded: &Loaded) -> Vec<String> {
    let file = |p: &Path| p.file_name().unwrap().to_str().unwrap().to_owned();
    loaded
        .diagnostics
        .iter()
        .map(|d| {
            let other = d
                .related
                .as_ref()
                .map(|r| format!(" ({} {})", file(&r.file), r.spot.line))
                .unwrap_or_default();
            format!("{} {} {}{other}", file(&d.file), d.spot.line, d.message())
        })
        .collect()
}

const A: &str = "[secrets.a]\nkind = \"random\"\npath = \"same\"\nenv = \"A\"\n";

#[test]
fn two_environments_share_a_place() {
    let staging = schedule("staging", "/var/lib/k.age", A);
    let production = schedule("production", "/var/lib/k.age", A);
    let aside = schedule("development", "d.age", "[secrets.a]\nkind = \"randm\"\n");
    let d = directory(&[
        ("staging.toml", &staging),
        ("production.toml", &production),
        ("development.toml", &aside),
    ]);
    let loaded = load(d.path(), None, now());
    let shared = "staging.toml 9 secrets.a: is kept at the same place as a of production (production.toml 9)";
    assert_eq!(
        told(&loaded),
        [
            "development.toml 8 secrets.a.kind: there is no secret kind \"randm\"",
            shared
        ]
    );
    assert!(loaded.environments.is_empty());
    // A command on production refuses for the shared place, and not for what ails development.
    let loaded = load(d.path(), Some(&["production".to_owned()]), now());
    assert_eq!(told(&loaded), [shared]);
    assert!(loaded.environments.is_empty());
}

#[cfg(feature = "aws")]
#[test]
fn two_environments_share_a_place_at_aws() {
    let at = |environment: &str, provider: &str, path: &str| {
        let provider = format!("[providers.aws]\n{provider}\n");
        let secret = format!(
            "[secrets.a]\nkind = \"random\"\nprovider = \"aws\"\npath = \"{path}\"\nenv = \"A\"\n"
        );
        schedule(
            environment,
            &format!("{environment}.age"),
            &(provider + &secret),
        )
    };
    let told = |one: (&str, &str), other: (&str, &str)| {
        let d = directory(&[
            ("production.toml", &at("production", one.0, one.1)),
            ("staging.toml", &at("staging", other.0, other.1)),
        ]);
        let loaded = load(d.path(), None, now());
        loaded
            .diagnostics
            .iter()
            .map(|d| d.message())
            .collect::<Vec<_>>()
    };
    let sm = "kind = \"aws-secrets-manager\"\nregion = \"eu-central-1\"";
    let ssm = "kind = \"aws-ssm\"\nregion = \"eu-central-1\"";
    let role = |account: &str, name: &str| {
        format!("{sm}\nrole_arn = \"arn:aws:iam::{account}:role/{name}\"")
    };
    let shared = ["secrets.a: is kept at the same place as a of production"];
    let (here, there) = ("111111111111", "222222222222");
    assert_eq!(told((sm, "x/a"), (sm, "x/a")), shared);
    assert_eq!(told((ssm, "x/a"), (ssm, "/x/a")), shared);
    assert_eq!(
        told((&role(here, "a"), "x"), (&role(here, "b"), "x")),
        shared
    );
    for (one, other) in [
        ((sm, "x/a"), (sm, "/x/a")),
        ((sm, "x/a"), (ssm, "x/a")),
        ((sm, "x"), (&*sm.replace("central", "west"), "x")),
        ((&*role(here, "a"), "x"), (&*role(there, "a"), "x")),
    ] {
        assert_eq!(told(one, other), [""; 0], "{one:?} {other:?}");
    }
}

#[cfg(feature = "vault")]
#[test]
fn two_environments_share_a_place_in_vault() {
    let at = |environment: &str, address: &str, more: &str, secret: &str| {
        let auth = "auth = { method = \"token\", token = { env = \"T\" } }";
        let rest = format!(
            "[providers.v]\nkind = \"vault\"\naddress = \"{address}\"\nmount = \"kv\"\n{more}\n{auth}\n\
             [secrets.a]\nkind = \"random\"\nprovider = \"v\"\npath = \"x\"\nenv = \"A\"\n{secret}\n"
        );
        schedule(environment, &format!("{environment}.age"), &rest)
    };
    let told = |one: (&str, &str, &str), other: (&str, &str, &str)| {
        let d = directory(&[
            ("production.toml", &at("production", one.0, one.1, one.2)),
            ("staging.toml", &at("staging", other.0, other.1, other.2)),
        ]);
        let loaded = load(d.path(), None, now());
        let told = loaded.diagnostics.iter().map(|d| d.message());
        told.collect::<Vec<_>>()
    };
    let shared = ["secrets.a: is kept at the same place as a of production"];
    let plain = ("https://vault:8200", "", "");
    assert_eq!(told(plain, plain), shared);
    assert_eq!(told(plain, ("https://VAULT:8200/", "", "")), shared);
    assert_eq!(
        told(("https://v", "", ""), ("https://v:443", "", "")),
        shared
    );
    // Versions belong to a path, whichever of its fields a secret is.
    let fields = (
        ("https://v", "", "field = \"a\""),
        ("https://v", "", "field = \"b\""),
    );
    assert_eq!(told(fields.0, fields.1), shared);
    for other in [
        ("https://other:8200", "", ""),
        ("https://vault:8300", "", ""),
        ("https://vault:8200", "namespace = \"n\"", ""),
    ] {
        assert_eq!(told(plain, other), [""; 0], "{other:?}");
    }
}

#[test]
fn anothers_mistakes_are_not_ours() {
    let production = schedule("production", "/var/lib/k.age", A);
    let d = directory(&[
        ("production.toml", &production),
        ("staging.toml", "= broken"),
    ]);
    let loaded = load(d.path(), Some(&["production".to_owned()]), now());
    assert_eq!(told(&loaded), [""; 0]);
    assert_eq!(loaded.environments.len(), 1);
    assert!(load(d.path(), None, now()).has_errors());
}

#[test]
fn two_secrets_share_a_place() {
    let text = schedule(
        "development",
        "d.age",
        &format!("{A}[secrets.b]\nkind = \"random\"\npath = \"same\"\n"),
    );
    let d = directory(&[("development.toml", &text)]);
    let loaded = load(d.path(), None, now());
    assert_eq!(
        told(&loaded),
        ["development.toml 11 secrets.b: is kept at the same place as a (development.toml 7)"]
    );
}

#[test]
fn a_variable_missing_elsewhere_is_a_warning() {
    let one = schedule("production", "p.age", A);
    let other = schedule("staging", "s.age", "");
    let d = directory(&[("production.toml", &one), ("staging.toml", &other)]);
    let loaded = load(d.path(), None, now());
    assert_eq!(
        told(&loaded),
        ["production.toml 12 secrets.a: the variable A is missing in staging"]
    );
    assert!(!loaded.has_errors());
    assert_eq!(loaded.environments.len(), 2);
}

#[test]
fn odd_files_are_one_problem_each() {
    let long = vec![b'#'; source::FILE_BYTES_MAX + 1];
    let d = directory(&[
        ("Not good.toml", ""),
        ("schema.json", "{}"),
        (".hidden.toml", "="),
    ]);
    std::fs::write(d.path().join("long.toml"), &long).unwrap();
    std::fs::write(
        d.path().join("latin.toml"),
        b"environment = \"latin\"\n# caf\xe9\n",
    )
    .unwrap();
    std::fs::write(d.path().join("bom.toml"), "\u{feff}environment = \"bom\"\n").unwrap();
    std::fs::create_dir(d.path().join("folder.toml")).unwrap();
    let loaded = load(d.path(), None, now());
    let wanted = [
        "Not good.toml 0 is not the name of an environment",
        "folder.toml 0 is not a regular file: it is a directory, a pipe, a device or a socket",
        "latin.toml 2 is not UTF-8 from here on",
        "long.toml 0 is longer than 1048576 bytes",
    ];
    assert_eq!(told(&loaded), wanted);
    assert_eq!(loaded.diagnostics[2].spot.col, 6);
    assert_eq!(loaded.environments.len(), 1);
}

#[test]
fn a_file_of_rubbish_is_told_in_bounded_words() {
    let d = directory(&[
        ("rubbish.toml", &"x\n".repeat(400_000)),
        ("line.toml", &"x,".repeat(400_000)),
    ]);
    let loaded = load(d.path(), None, now());
    assert_eq!(loaded.diagnostics.len(), 202);
    let text = rendered(&loaded.diagnostics, &loaded.sources);
    assert!(text.len() < 100_000, "{} bytes", text.len());
    assert!(text.contains("more than 200 problems"));
}

#[test]
fn a_wrong_default_is_told_once() {
    let secrets = "[secrets.a]\nkind = \"random\"\n[secrets.b]\nkind = \"random\"\n";
    let text = schedule("development", "d.age", secrets)
        .replace("[providers.p]", "schedule = \"61 * * * *\"\n[providers.p]");
    let loaded = load(
        directory(&[("development.toml", &text)]).path(),
        None,
        now(),
    );
    assert_eq!(loaded.diagnostics.len(), 1, "{:?}", told(&loaded));
}

#[test]
fn a_name_without_a_file_lists_those_there_are() {
    let d = directory(&[("development.toml", &schedule("development", "d.age", ""))]);
    let loaded = load(d.path(), Some(&["develpment".to_owned()]), now());
    assert_eq!(loaded.diagnostics[0].help, "did you mean \"development\"?");
    let nowhere = load(&d.path().join("nowhere"), None, now());
    assert!(nowhere.has_errors());
}

#[test]
fn relative_paths_resolve_beside_the_directory() {
    let d = tempfile::tempdir().unwrap();
    let schedules = d.path().join("schedules");
    std::fs::create_dir(&schedules).unwrap();
    std::fs::write(
        schedules.join("development.toml"),
        schedule("development", "d.age", ""),
    )
    .unwrap();
    let loaded = load(&schedules, None, now());
    let file = loaded.environments[0].providers[0].settings.made_document();
    assert_eq!(file.unwrap(), d.path().join("d.age"));
}

#[test]
fn forms_for_programs() {
    let text = schedule("production", "p.age", "[secrets.a]\nkind = \"randm\"\n");
    let d = directory(&[("production.toml", &text)]);
    let loaded = load(d.path(), None, now());
    let json = render::json(&loaded.diagnostics);
    assert_eq!(json["schema_version"], 1);
    assert_eq!(json["valid"], false);
    assert_eq!(
        (&json["problems"][0]["line"], &json["problems"][0]["col"]),
        (&10.into(), &8.into())
    );
    let github = render::github(&loaded.diagnostics);
    assert!(github.starts_with("::error file="), "{github}");
    assert!(github.contains(",line=10,col=8::secrets.a.kind: there is no secret kind \"randm\"; did you mean \"random\"?"), "{github}");
}

#[test]
fn keyrota_toml() {
    let d = directory(&[]);
    let file = d.path().join("keyrota.toml");
    let told = |text: &str| {
        std::fs::write(&file, text).unwrap();
        host::load(&file, &kinds())
            .map_err(|(problems, _)| problems.iter().map(|p| p.message()).collect::<Vec<_>>())
    };
    let good = "host = 'ops-1'\nschedules = 's'\nstate = 'postgres://k@db/k'\nstate_password = { credential = 'p' }\nkeys = { file = '/k' }";
    let good = told(good).unwrap().host;
    assert_eq!(good.schedules, Some(d.path().join("s")));
    assert_eq!(good.state.as_deref(), Some("postgres://k@db/k"));
    for state in [
        "postgres://k:hunter2@db/k",
        "postgres://k@db/k?password=hunter2",
        "postgres://k:hun/ter2@db/k",
    ] {
        assert_eq!(
            told(&format!("state = '{state}'")).unwrap_err(),
            ["state: has a password in it"]
        );
    }
    assert_eq!(
        told("[server]\nlisten = []").unwrap_err(),
        ["server: is not built in: keyrota serves no health, metrics and key set yet"]
    );
    assert_eq!(
        told("keys = 'hunter2'").unwrap_err(),
        ["keys: a sensitive input is never written here"]
    );
    assert_eq!(
        told("keys = { credential = '../k' }").unwrap_err(),
        ["keys: a credential's name has no slash in it and does not start with a dot"]
    );
    assert_eq!(
        told("keys = { credential = 'k', env = 'K' }").unwrap_err(),
        ["keys: has to say exactly one of credential, file, env"]
    );
}

#[test]
fn an_account_is_changed_by_one_secret() {
    let rest = |host: &str| {
        format!(
            "[secrets.boss]\nkind = \"external\"\nformat = \"url\"\n[secrets.db]\nkind = \"postgres\"\nstrategy = \"alternating-users\"\nusers = [\"a\", \"b\"]\nadmin = \"boss\"\nurl = \"postgres://{{user}}:{{password}}@{host}/app\"\n"
        )
    };
    let here = schedule("development", "d.age", &rest("db"));
    let same = schedule("production", "p.age", &rest("DB:5432"));
    let d = directory(&[("development.toml", &here), ("production.toml", &same)]);
    assert_eq!(
        told(&load(d.path(), None, now())),
        [
            "production.toml 12 secrets.db.users: names a user that db of development changes too (development.toml 10)"
        ]
    );
    let other = schedule("production", "p.age", &rest("db:6432"));
    let d = directory(&[("development.toml", &here), ("production.toml", &other)]);
    assert_eq!(told(&load(d.path(), None, now())), [""; 0]);
}

#[test]
fn a_copy_has_a_place_of_its_own() {
    let file = |environment: &str, secrets: &str| schedule(environment, "shared.age", secrets);
    let secret = |name: &str, copies: &[&str]| {
        let mut text =
            format!("[secrets.{name}]\nkind = \"random\"\npath = \"{name}\"\nenv = \"X_{name}\"\n");
        for path in copies {
            text += &format!("[[secrets.{name}.copies]]\nprovider = \"p\"\npath = \"{path}\"\n");
        }
        text
    };
    let told = |one: &str, other: &str| {
        let (one, other) = (file("production", one), file("staging", other));
        let d = directory(&[("production.toml", &one), ("staging.toml", &other)]);
        let loaded = load(d.path(), None, now());
        let errors = loaded.diagnostics.iter();
        let errors = errors.filter(|d| d.what.contains("same place"));
        errors.map(|d| d.message()).collect::<Vec<_>>()
    };
    assert_eq!(
        told(&secret("a", &["b", "c"]), &secret("d", &["e"])),
        [""; 0]
    );
    assert_eq!(
        told(&secret("a", &["a"]), ""),
        ["secrets.a.copies[0]: is kept at the same place as the secret itself"]
    );
    assert_eq!(
        told(&secret("a", &["x", "x"]), ""),
        ["secrets.a.copies[1]: is kept at the same place as a copy of a"]
    );
    assert_eq!(
        told(&secret("a", &["x"]), &secret("b", &["x"])),
        ["secrets.b.copies[0]: is kept at the same place as a copy of a of production"]
    );
    assert_eq!(
        told(&secret("a", &["b"]), &secret("b", &[])),
        ["secrets.b: is kept at the same place as a copy of a of production"]
    );
    let fallback = "[secrets.k]\nkind = \"signing-key\"\npath = \"k\"\nfallback_path = \"k\"\nfallback_idle = \"filler\"\nenv = \"K\"\n";
    assert_eq!(
        told(fallback, ""),
        ["secrets.k.fallback_path: is kept at the same place as the secret itself"]
    );
}
