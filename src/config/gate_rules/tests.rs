#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use super::*;
use crate::config::tests::read;

/// One line per rule: the variable, whose it is, and everything it says beyond `Rule::new`.
fn asked(rules: &[Rule]) -> String {
    let mut text = String::new();
    for rule in rules {
        let mut words = vec![rule.variable.clone()];
        let mut say = |key: &str, what: Option<String>| {
            words.extend(what.map(|what| format!("{key}={what}")));
        };
        let list = |all: &[String]| (!all.is_empty()).then(|| all.join("|"));
        say("secret", rule.secret.clone());
        say(
            "required",
            match &rule.required {
                Required::Always => None,
                other => Some(format!("{other:?}")),
            },
        );
        say("forbidden", rule.forbidden.then(|| "yes".to_owned()));
        say("default", rule.default.clone());
        say("format", rule.format.as_ref().map(|f| format!("{f:?}")));
        say("min_length", rule.min_length.map(|n| n.to_string()));
        say("min_bytes", rule.min_bytes.map(|n| n.to_string()));
        say("random", rule.random.then(|| "yes".to_owned()));
        say("one_of", list(&rule.one_of));
        say("pattern", rule.pattern.as_ref().map(|p| format!("{p:?}")));
        say("prefix", rule.prefix.clone());
        say("foreign", list(&rule.foreign_prefixes));
        say("fallback_of", rule.fallback_of.clone());
        say("kid_of", rule.kid_of.clone());
        text.push_str(&words.join(" "));
        text.push('\n');
    }
    text
}

fn environment(name: &str, tables: &str) -> Environment {
    let head = format!(
        "environment = \"{name}\"\n[defaults]\nrefresh = \"10m\"\n[providers.main]\nkind = \"file\"\npath = \"x.age\"\n"
    );
    let keys = "recipients = [\"age1cgu5tm4zcfvje259v24f723j58rmkst4999v3cyv4dqyn7cqtqhs3sy8rp\"]\nidentity = { credential = \"id\" }\n";
    let (environment, problems) = read(name, &(head + keys + tables));
    let errors = problems
        .iter()
        .filter(|p| p.severity == crate::config::Severity::Error);
    assert_eq!(
        errors.count(),
        0,
        "{}",
        crate::config::tests::lines(&problems)
    );
    environment
}

/// What is asked for one secret.
fn check(table: &str, expected: &str) {
    let environment = environment("production", table);
    assert_eq!(asked(&rules(&environment, None, &[])), expected, "{table}");
}

#[test]
fn a_jwt_key_is_private_and_of_its_algorithm() {
    let jwt = |more: &str| {
        format!("[secrets.s]\nkind = \"jwt\"\ntoken_ttl = \"1h\"\nenv = \"KEY\"\n{more}")
    };
    for (algorithm, named) in [("RS256", "Rs256"), ("ES256", "Es256"), ("EdDSA", "EdDsa")] {
        for (format, form) in [("pem", "Pem"), ("jwk", "Jwk")] {
            let said = jwt(&format!(
                "algorithm = \"{algorithm}\"\nformat = \"{format}\"\nenv_kid = \"KID\"\n"
            ));
            let expected = format!(
                "KEY secret=s format={form} {{ part: Some(Private), algorithm: Some({named}) }}\n\
                 KID secret=s kid_of=KEY\n"
            );
            check(&said, &expected);
        }
    }
    let said = jwt("algorithm = \"HS256\"\nformat = \"raw\"\nenv_fallback = \"OLD\"\n");
    let expected = "KEY secret=s min_bytes=32 random=yes\n\
                    OLD secret=s required=Optional min_bytes=32 random=yes fallback_of=KEY\n";
    check(&said, expected);
}

#[test]
fn a_signing_key_has_its_prefix_and_its_bytes_after_it() {
    for (encoding, form) in [
        ("hex", "Hex"),
        ("base64", "Base64"),
        ("base64url", "Base64Url"),
    ] {
        let said = format!(
            "[secrets.s]\nkind = \"signing-key\"\nprefix = \"sk-\"\nbytes = 48\nencoding = \"{encoding}\"\n\
             signature_ttl = \"5m\"\nenv = \"KEY\"\nenv_fallback = \"OLD\"\n"
        );
        let expected = format!(
            "KEY secret=s format={form} min_bytes=48 random=yes prefix=sk-\n\
             OLD secret=s required=Optional format={form} min_bytes=48 random=yes prefix=sk- fallback_of=KEY\n"
        );
        check(&said, &expected);
    }
    // Its issuer writes it as it likes.
    check(
        "[secrets.s]\nkind = \"signing-key\"\norigin = \"imported\"\nprefix = \"sk-\"\nsignature_ttl = \"5m\"\n\
         env = \"KEY\"\nenv_fallback = \"OLD\"\n",
        "KEY secret=s min_bytes=16 random=yes prefix=sk-\n\
         OLD secret=s required=Optional min_bytes=16 random=yes prefix=sk- fallback_of=KEY\n",
    );
}

#[test]
fn other_kinds_are_asked_what_they_say() {
    check(
        "[secrets.s]\nkind = \"random\"\nlength = 40\nenv = \"TOKEN\"\n",
        "TOKEN secret=s min_length=40 random=yes\n",
    );
    let external = |more: &str| format!("[secrets.s]\nkind = \"external\"\n{more}\n");
    check(&external("env = \"A\""), "A secret=s\n");
    check(
        &external("env = \"A\"\nmin_bytes = 20"),
        "A secret=s min_bytes=20\n",
    );
    check(
        &external("env = \"A\"\nformat = \"url\""),
        "A secret=s format=Url { schemes: [] }\n",
    );
    check(
        &external("env = \"A\"\nformat = \"json\""),
        "A secret=s format=Json { members: [] }\n",
    );
    check(
        &external("env = \"A\"\nformat = \"rds-json\""),
        "A secret=s format=Json { members: [\"username\", \"password\"] }\n",
    );
    // Of a part, nothing is known but that it is there.
    check(
        &external("env = { U = \"{username}\", H = \"x-{value}\" }\nformat = \"rds-json\""),
        "U secret=s\nH secret=s\n",
    );
}

#[test]
fn boot_rules_are_taken_over_whole() {
    let said = "[env.A]\nformat = \"url\"\nschemes = [\"https\"]\nmin_length = 9\n\
                [env.B]\none_of = [\"x\", \"y\"]\ndefault = \"x\"\n\
                [env.C]\npattern = 'v\\d+'\nrequired_if = \"A\"\n\
                [env.D]\nformat = \"port\"\nrequired_if = { variable = \"B\", equals = \"y\" }\n\
                [env.E]\nforbidden = true\n\
                [env.F]\nrequired = false\n";
    let expected = r#"A format=Url { schemes: ["https"] } min_length=9
B required=Optional default=x one_of=x|y
C required=If(Present("A")) pattern="^(?:v\\d+)$"
D required=If(Equals { variable: "B", value: "y" }) format=Port
E forbidden=yes
F required=Optional
"#;
    check(said, expected);
}

#[test]
fn a_program_is_asked_for_what_it_may_see() {
    let two = "[secrets.a]\nkind = \"random\"\nenv = \"A\"\n[secrets.b]\nkind = \"random\"\nenv = \"B\"\n\
               [env.C]\n[env.D]\nforbidden = true\n\
               [programs.web]\nenv = [\"C\", \"A\"]\n[programs.jobs]\nenv = [\"B\"]\n";
    let environment = environment("production", two);
    let of = |name| {
        let program = program(&environment, Some(name)).unwrap();
        let rules = rules(&environment, program, &[]);
        rules.into_iter().map(|r| r.variable).collect::<Vec<_>>()
    };
    // What is forbidden is forbidden to whoever asks.
    assert_eq!(of("web"), ["A", "C", "D"]);
    assert_eq!(of("jobs"), ["B", "D"]);
    let failed = |asked| program(&environment, asked).unwrap_err().to_string();
    assert_eq!(failed(None), "say which program: --program web or jobs");
    assert_eq!(
        failed(Some("wep")),
        "there is no program \"wep\"; there are: web, jobs"
    );
}

#[test]
fn the_only_program_need_not_be_named_and_none_sees_everything() {
    let secret = "[secrets.a]\nkind = \"random\"\nenv = \"A\"\n[env.B]\n";
    let none = environment("production", secret);
    assert!(program(&none, None).unwrap().is_none());
    assert_eq!(rules(&none, None, &[]).len(), 2);
    let failed = program(&none, Some("web")).unwrap_err();
    assert_eq!(
        failed.to_string(),
        "there is no program \"web\": the schedule has none, so leave --program out"
    );
    let one = environment(
        "production",
        &format!("{secret}[programs.web]\nenv = [\"A\"]\n"),
    );
    assert_eq!(program(&one, None).unwrap().unwrap().name, "web");
}

#[test]
fn prefixes_of_other_environments_are_foreign_where_they_differ() {
    let key = |secret: &str, prefix: &str, variable: &str| {
        let prefix = match prefix {
            "" => String::new(),
            some => format!("prefix = \"{some}\"\n"),
        };
        format!(
            "[secrets.{secret}]\nkind = \"signing-key\"\nverifiers = \"self\"\n{prefix}env = \"{variable}\"\n"
        )
    };
    let ours = environment("production", &key("s", "sk-prod-", "KEY"));
    let others = [
        // Whatever the secret is called there, it fills the same variable.
        environment("staging", &key("renamed", "sk-stage-", "KEY")),
        environment("testing", &key("s", "sk-prod-", "KEY")),
        environment(
            "development",
            &(key("s", "", "KEY") + &key("t", "other-", "OTHER")),
        ),
    ];
    let rules = rules(&ours, None, &others);
    assert_eq!(rules[0].foreign_prefixes, ["sk-stage-"]);
    // Not the other way round either: development has no prefix, and knows its neighbours'.
    let theirs = super::rules(&others[2], None, &[ours]);
    assert_eq!(theirs[0].foreign_prefixes, ["sk-prod-"]);
    assert!(theirs[1].foreign_prefixes.is_empty());
}
