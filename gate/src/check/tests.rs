#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use proptest::prelude::*;

use super::*;
use crate::{Algorithm, KeyPart, Pattern};

fn rule(variable: &str) -> Rule {
    Rule::new(variable)
}

/// Problems as `VARIABLE code`.
fn codes(rules: &[Rule], environment: &[(&str, &str)]) -> Vec<String> {
    let lookup = |name: &str| {
        environment
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.as_bytes())
    };
    check(rules, &lookup)
        .iter()
        .map(|problem| format!("{} {}", problem.variable, problem.code))
        .collect()
}

fn remedy(rule: Rule, value: Option<&str>) -> String {
    let problems = check(&[rule], &|_| value.map(str::as_bytes));
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems[0].remedy.clone()
}

#[test]
fn everything_at_once_in_the_order_of_the_rules() {
    let secret = |variable: &str, secret: &str| Rule {
        secret: Some(secret.into()),
        ..rule(variable)
    };
    let url = Format::Url {
        schemes: vec!["postgres".into(), "postgresql".into()],
    };
    let rules = [
        Rule {
            format: Some(url),
            ..secret("DATABASE_URL", "database-url")
        },
        secret("JWT_SECRET", "session-jwt"),
        Rule {
            format: Some(Format::Port),
            ..rule("PORT")
        },
        Rule {
            forbidden: true,
            ..rule("DEBUG")
        },
        Rule {
            one_of: vec!["info".into(), "debug".into()],
            ..rule("LOG_LEVEL")
        },
        rule("HOST"),
    ];
    let environment = [
        ("JWT_SECRET", "changeme"),
        ("PORT", "http"),
        ("DEBUG", ""),
        ("LOG_LEVEL", "loud"),
        ("HOST", "web"),
    ];
    let expected = [
        "DATABASE_URL missing",
        "JWT_SECRET placeholder",
        "PORT wrong-format",
        "DEBUG forbidden",
        "LOG_LEVEL not-one-of",
    ];
    assert_eq!(codes(&rules, &environment), expected);
}

#[test]
fn the_documented_remedies() {
    let database = || Rule {
        secret: Some("database-url".into()),
        ..rule("DATABASE_URL")
    };
    assert_eq!(
        remedy(database(), None),
        "set it from secret \"database-url\""
    );
    assert_eq!(
        remedy(database(), Some("")),
        "it is set to nothing: set it from secret \"database-url\""
    );
    assert_eq!(
        remedy(database(), Some("changeme")),
        "replace the example value"
    );
    let dsn = || Rule {
        format: Format::named("url"),
        ..rule("SENTRY_DSN")
    };
    assert_eq!(remedy(dsn(), None), "set it to a URL");
    let optional = Rule {
        required: Required::Optional,
        ..dsn()
    };
    assert_eq!(
        remedy(optional, Some("")),
        "it is set to nothing: set it to a URL, or remove it"
    );
    let level = Rule {
        one_of: vec!["info".into(), "debug".into()],
        ..rule("LOG_LEVEL")
    };
    assert_eq!(remedy(level, None), "set it to one of: info, debug");
}

#[test]
fn required_follows_its_condition() {
    let smtp = Condition::Equals {
        variable: "MAIL".into(),
        value: "smtp".into(),
    };
    let rules = |default: Option<&str>| {
        let mail = Rule {
            required: Required::Optional,
            default: default.map(Into::into),
            ..rule("MAIL")
        };
        let host = Rule {
            required: Required::If(smtp.clone()),
            ..rule("SMTP_HOST")
        };
        let password = Rule {
            required: Required::If(Condition::Present("SMTP_HOST".into())),
            ..rule("SMTP_PASSWORD")
        };
        [mail, host, password]
    };
    assert!(codes(&rules(None), &[]).is_empty());
    assert!(codes(&rules(None), &[("MAIL", "log")]).is_empty());
    assert_eq!(
        codes(&rules(None), &[("MAIL", "smtp")]),
        ["SMTP_HOST missing"]
    );
    assert_eq!(codes(&rules(Some("smtp")), &[]), ["SMTP_HOST missing"]);
    assert_eq!(
        codes(
            &rules(Some("smtp")),
            &[("MAIL", "log"), ("SMTP_HOST", "mx")]
        ),
        ["SMTP_PASSWORD missing"]
    );
    let because = check(&rules(Some("smtp")), &|_| None);
    assert_eq!(
        because[0].remedy,
        "set it: it is required because MAIL is smtp"
    );
}

#[test]
fn a_default_stands_in_and_is_held_to_the_rule() {
    let with = |default: &str| {
        [Rule {
            default: Some(default.into()),
            format: Some(Format::Port),
            ..rule("PORT")
        }]
    };
    assert!(codes(&with("8080"), &[]).is_empty());
    assert_eq!(codes(&with("none"), &[]), ["PORT wrong-format"]);
    assert_eq!(codes(&with("8080"), &[("PORT", "")]), ["PORT empty"]);
}

#[test]
fn what_is_allowed_is_allowed_as_it_stands() {
    let rules = [Rule {
        one_of: vec![String::new(), "none".into(), "\"q\"".into()],
        secret: Some("s".into()),
        ..rule("MODE")
    }];
    for value in ["", "none", "\"q\""] {
        assert!(codes(&rules, &[("MODE", value)]).is_empty(), "{value}");
    }
    assert_eq!(codes(&rules, &[("MODE", "'none'")]), ["MODE quoted"]);
    assert_eq!(codes(&rules, &[("MODE", "some")]), ["MODE not-one-of"]);
}

#[test]
fn residue_does_not_hide_what_is_inside() {
    let port = [Rule {
        format: Some(Format::Port),
        ..rule("PORT")
    }];
    assert_eq!(codes(&port, &[("PORT", "\"8080\"")]), ["PORT quoted"]);
    assert_eq!(
        codes(&port, &[("PORT", "\"http\"\r")]),
        ["PORT carriage-return", "PORT quoted", "PORT wrong-format"]
    );
    assert_eq!(codes(&port, &[("PORT", "''")]), ["PORT quoted"]);
    assert_eq!(codes(&port, &[("PORT", " ")]), ["PORT whitespace"]);
}

#[test]
fn bytes_that_are_no_text() {
    let binary = |bytes: &'static [u8]| check(&[rule("KEY")], &|_| Some(bytes))[0].clone();
    assert_eq!(binary(b"ab\xffcd").code, Code::NotUtf8);
    assert_eq!(
        binary(b"ab\xffcd").remedy,
        "byte 3 is not UTF-8: encode binary values (base64)"
    );
    assert_eq!(binary(b"ab\0cd").code, Code::Nul);
}

#[test]
fn prefixes_of_environments() {
    let prefixed = |own: &str, foreign: &[&str]| {
        let foreign_prefixes = foreign.iter().map(|prefix| (*prefix).to_owned()).collect();
        [Rule {
            prefix: Some(own.into()),
            foreign_prefixes,
            format: Some(Format::Hex),
            min_bytes: Some(4),
            ..rule("KEY")
        }]
    };
    let production = prefixed("signkey-prod-", &["signkey-dev-", "signkey-"]);
    assert!(codes(&production, &[("KEY", "signkey-prod-a3f19c07")]).is_empty());
    assert_eq!(
        codes(&production, &[("KEY", "signkey-dev-a3f19c07")]),
        ["KEY foreign-prefix"]
    );
    assert_eq!(
        codes(&production, &[("KEY", "a3f19c07")]),
        ["KEY wrong-prefix"]
    );
    assert_eq!(
        codes(&production, &[("KEY", "signkey-prod-a3f1")]),
        ["KEY too-short"]
    );
    assert_eq!(
        codes(&production, &[("KEY", "signkey-prod-a3f19c0g")]),
        ["KEY wrong-format"]
    );
    assert_eq!(
        codes(&production, &[("KEY", "signkey-prod-changeme")]),
        ["KEY placeholder"]
    );
    let bare = prefixed("signkey-", &["signkey-prod-"]);
    assert_eq!(
        codes(&bare, &[("KEY", "signkey-prod-a3f19c07")]),
        ["KEY foreign-prefix"]
    );
    assert!(codes(&bare, &[("KEY", "signkey-a3f19c07")]).is_empty());
}

#[test]
fn length_entropy_and_pattern() {
    let token = [Rule {
        random: true,
        min_length: Some(16),
        pattern: Some(Pattern::new("[a-z]+").unwrap()),
        ..rule("TOKEN")
    }];
    assert!(codes(&token, &[("TOKEN", "kqzvbtwjxmhrpdys")]).is_empty());
    assert_eq!(
        codes(&token, &[("TOKEN", "Kq7")]),
        ["TOKEN too-short", "TOKEN pattern"]
    );
    assert_eq!(
        codes(&token, &[("TOKEN", "abcdefghijklmnopqrstuvwxyz")]),
        ["TOKEN low-entropy"]
    );
    // The same without `random` is only text.
    assert!(codes(&[rule("TEXT")], &[("TEXT", "abcdefghijklmnopqrstuvwxyz")]).is_empty());
    let characters = [Rule {
        min_length: Some(3),
        ..rule("NAME")
    }];
    assert_eq!(codes(&characters, &[("NAME", "öß")]), ["NAME too-short"]);
    let hidden = [Rule {
        random: true,
        format: Some(Format::Base64),
        ..rule("KEY")
    }];
    let encoded = data_encoding::BASE64.encode(b"passwordpasswordpassword");
    assert_eq!(codes(&hidden, &[("KEY", &encoded)]), ["KEY low-entropy"]);
    let own_name = [Rule {
        random: true,
        ..rule("API_KEY")
    }];
    assert_eq!(
        codes(&own_name, &[("API_KEY", "api_key")]),
        ["API_KEY placeholder"]
    );
}

#[test]
fn placeholders_inside_a_url() {
    let url = [Rule {
        format: Format::named("url"),
        secret: Some("database-url".into()),
        ..rule("URL")
    }];
    for value in [
        "postgres://app:changeme@db/app",
        "postgres://app:<password>@db/app",
        "postgres://app:${DB_PASSWORD}@db/app",
        "postgres://app:{password}@db/app",
        "postgres://postgres:[YOUR-PASSWORD]@db/app",
        "https://<your-project>/path",
    ] {
        assert_eq!(
            codes(&url, &[("URL", value)]),
            ["URL placeholder"],
            "{value}"
        );
    }
    // A development database may well be called and protected like this.
    for value in [
        "postgres://test:test@localhost/test",
        "postgres://admin:password@db/default",
    ] {
        assert!(codes(&url, &[("URL", value)]).is_empty(), "{value}");
    }
}

#[test]
fn current_and_fallback() {
    let fallback = Rule {
        required: Required::Optional,
        fallback_of: Some("KEY".into()),
        ..rule("KEY_FALLBACK")
    };
    let rules = [rule("KEY"), fallback];
    assert!(codes(&rules, &[("KEY", "one")]).is_empty());
    assert!(codes(&rules, &[("KEY", "one"), ("KEY_FALLBACK", "two")]).is_empty());
    assert_eq!(
        codes(&rules, &[("KEY", "one"), ("KEY_FALLBACK", "one")]),
        ["KEY_FALLBACK equals-fallback"]
    );
    assert_eq!(codes(&rules, &[("KEY", "")]), ["KEY empty"]);
}

#[test]
fn a_key_and_its_id() {
    let key = Format::Jwk {
        part: Some(KeyPart::Private),
        algorithm: Some(Algorithm::Hs256),
    };
    let rules = [
        Rule {
            format: Some(key),
            ..rule("KEY")
        },
        Rule {
            kid_of: Some("KEY".into()),
            ..rule("KID")
        },
    ];
    let k = "hR4mZk9wQ1hR4mZk9wQ1hR4mZk9wQ1hR4mZk9wQ1abc";
    let jwk = format!("{{\"kty\":\"oct\",\"k\":\"{k}\",\"kid\":\"2026-08\"}}\n");
    assert!(codes(&rules, &[("KEY", &jwk), ("KID", "2026-08")]).is_empty());
    assert_eq!(
        codes(&rules, &[("KEY", &jwk), ("KID", "2026-07")]),
        ["KID kid-mismatch"]
    );
    assert_eq!(
        codes(&rules, &[("KEY", &format!("'{jwk}'")), ("KID", "2026-08")]),
        ["KEY quoted"]
    );
}

/// Any rule, so that every remedy can be provoked.
fn any_rule() -> impl Strategy<Value = Rule> {
    let format = prop::option::of(prop::sample::select(Format::NAMES.to_vec()));
    let flags = (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    );
    (format, flags).prop_map(
        |(format, (random, prefix, one_of, fallback, pattern))| Rule {
            format: format.and_then(Format::named),
            random,
            min_length: random.then_some(64),
            prefix: prefix.then(|| "key-".into()),
            foreign_prefixes: vec!["dev-".into()],
            one_of: if one_of {
                vec!["on".into()]
            } else {
                Vec::new()
            },
            fallback_of: fallback.then(|| "VARIABLE".into()),
            pattern: pattern.then(|| Pattern::new("[a-z]").unwrap()),
            ..rule("VARIABLE")
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn no_problem_repeats_a_value(
        rule in any_rule(),
        before in "(postgres://app:|https://|key-|dev-|\"|\\{\"kty\":\"|-----BEGIN |\\$\\{|<)?",
        canary in "[A-Z]{10}",
        after in "(@db:1/x|\"|@|://|\"\\}|-----|\\}|>|\r\n|\\?a=b|=)?",
    ) {
        let value = format!("{before}{canary}{after}");
        let problems = check(&[rule], &|_| Some(value.as_bytes()));
        prop_assert!(!format!("{problems:?}").contains(&canary), "{problems:?}");
    }

    #[test]
    fn nothing_panics(rule in any_rule(), value in prop::collection::vec(any::<u8>(), 0..60)) {
        let problems = check(&[rule], &|_| Some(&value));
        prop_assert!(problems.iter().all(|problem| !problem.remedy.contains('\n')));
    }
}
