#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use proptest::prelude::*;

use super::super::testing::{Seeded, text, value};
use super::*;
use zeroize::Zeroizing;

const TEMPLATE: &str = "postgres://{user}:{password}@db.internal:5432/app?sslmode=verify-full";

fn settings(form: Form) -> Settings {
    Settings {
        users: Users::Two(["app_a".into(), "app_b".into()]),
        form,
        endpoint: Endpoint {
            host: "db.internal".into(),
            port: 5432,
            database: "app".into(),
        },
        server: None,
        ca_file: None,
        admin: None,
        methods: vec![Method::Scram],
        one_at_a_time: false,
    }
}

fn url() -> Settings {
    settings(Form::Url(TEMPLATE.into()))
}

fn login(user: &str, password: &str) -> Login {
    Login {
        user: Zeroizing::new(user.into()),
        password: Zeroizing::new(password.into()),
    }
}

#[test]
fn urls_made_by_hand() {
    for (url_text, expected) in [
        ("postgres://u:p@db.internal:5432/app", Ok(("u", "p"))),
        ("postgresql+asyncpg://u:p@DB.internal./app", Ok(("u", "p"))),
        (
            "postgres://u:%40%3A%2F%25%23%3f@db.internal/app",
            Ok(("u", "@:/%#?")),
        ),
        (
            "postgres://u:a+b!$&'()*,;=@db.internal/app",
            Ok(("u", "a+b!$&'()*,;=")),
        ),
        (
            "postgres://%C3%BC:p%20q@db.internal/app?a=b@c",
            Ok(("ü", "p q")),
        ),
        ("postgres://u:p@q@db.internal/app", Err("percent-encoded")),
        ("postgres://u:p:q@db.internal/app", Err("percent-encoded")),
        ("postgres://u:p/q@db.internal/app", Err("percent-encoded")),
        ("postgres://u:12/q@db.internal/app", Err("percent-encoded")),
        ("postgres://u:p#q@db.internal/app", Err("percent-encoded")),
        ("postgres://u:p?q@db.internal/app", Err("percent-encoded")),
        ("postgres://u:p%q@db.internal/app", Err("percent-encoded")),
        ("postgres://u:p%4@db.internal/app", Err("percent-encoded")),
        ("postgres://u:p q@db.internal/app", Err("percent-encoded")),
        ("postgres://u:p%00@db.internal/app", Err("NUL")),
        ("postgres://u:%ff@db.internal/app", Err("UTF-8")),
        ("postgres://u@db.internal/app", Err("empty")),
        ("postgres://:p@db.internal/app", Err("empty")),
        ("postgres://db.internal/app", Err("without user")),
        ("postgres://u:p@db.internal/", Err("another server")),
        ("postgres://u:p@db.internal/other", Err("another server")),
        ("postgres://u:p@db.internal:5433/app", Err("another server")),
        ("postgres://u:p@evil.internal/app", Err("another server")),
        ("other://u:p@db.internal/app", Err("no port")),
        ("postgres://u:p@db.internal:x/app", Err("not a url")),
        ("postgres://u:p@/app", Err("not a url")),
        ("db.internal", Err("not a url")),
        ("", Err("not a url")),
    ] {
        let got = url().login(&value(url_text));
        match (got, expected) {
            (Ok(got), Ok((user, password))) => assert!(got == login(user, password), "{url_text}"),
            (Err(got), Err(word)) => assert!(got.contains(word), "{url_text}: {got}"),
            (got, expected) => panic!("{url_text}: {got:?}, not {expected:?}"),
        }
    }
}

#[test]
fn an_address_of_the_sixth_version() {
    let mut settings = url();
    settings.endpoint.host = "::1".into();
    assert!(
        settings
            .login(&value("postgres://u:p@[::1]:5432/app"))
            .is_ok()
    );
    assert!(
        settings
            .login(&value("postgres://u:p@[::2]:5432/app"))
            .is_err()
    );
}

#[test]
fn objects() {
    let json = settings(Form::RdsJson);
    for (object, expected) in [
        (r#"{"username":"u","password":"p"}"#, None),
        (
            r#"{"username":"u","password":"p","host":"DB.internal","port":5432}"#,
            None,
        ),
        (
            r#"{"host":{"a":["}",1]},"username":"u"}"#,
            Some("no username"),
        ),
        (r#"{"username":"u","password":"p","port":"5432"}"#, None),
        (
            r#" { "x" : [ { "password" : "q" } , "\"}" ] , "username" : "u" , "password" : "p" } "#,
            None,
        ),
        (
            r#"{"username":"u","password":"p","host":"evil"}"#,
            Some("another server"),
        ),
        (
            r#"{"username":"u","password":"p","port":1}"#,
            Some("another server"),
        ),
        (
            r#"{"username":"u","password":"p","port":null}"#,
            Some("another server"),
        ),
        (
            r#"{"username":"u","password":"p","password":"q"}"#,
            Some("twice"),
        ),
        (r#"{"username":"u","password":7}"#, Some("not a string")),
        (r#"{"username":"u","password":""}"#, Some("empty")),
        (r#"{"username":"u","password":"\u0000"}"#, Some("NUL")),
        (r#"{"username":"u"}"#, Some("no password")),
        (r#"{}"#, Some("no username")),
        (r#"["username"]"#, Some("not a JSON object")),
        (
            r#"{"username":"u","password":"p"} x"#,
            Some("not a JSON object"),
        ),
    ] {
        match (json.login(&value(object)), expected) {
            (Ok(got), None) => assert!(got == login("u", "p"), "{object}"),
            (Err(got), Some(word)) => assert!(got.contains(word), "{object}: {got}"),
            (got, _) => panic!("{object}: {got:?}"),
        }
    }
}

#[test]
fn only_the_login_of_an_object_changes() {
    let old = r#"{ "z": 1.10000000000000000001, "password": "o\"ld", "a": {"password": "mine"},
        "host": "db.internal", "username":"app_a", "big": 123456789012345678901234567890 }"#;
    let new = settings(Form::RdsJson)
        .compose(&login("app_b", "n\"\\ew"), Some(&value(old)))
        .unwrap();
    let expected = old
        .replace(r#""o\"ld""#, r#""n\"\\ew""#)
        .replace("app_a", "app_b");
    assert_eq!(text(&new), expected);
}

#[test]
fn an_object_for_another_server_is_not_patched() {
    let json = settings(Form::RdsJson);
    let old = value(r#"{"username":"u","password":"p","host":"evil"}"#);
    assert!(json.compose(&login("u", "q"), Some(&old)).is_err());
    assert!(json.compose(&login("u", "q"), None).is_err());
}

#[test]
fn administrators() {
    for admin in [
        "postgres://root:s%2F@elsewhere/x",
        r#" {"username":"root","password":"s/","host":"elsewhere"}"#,
    ] {
        assert!(admin_login(&value(admin)).unwrap() == login("root", "s/"));
    }
}

#[test]
fn parts_of_a_url() {
    let whole = b"postgres://u%40:p%2F@db.internal/my%20app?x=y#z";
    for (name, expected) in [
        ("scheme", Some("postgres")),
        ("username", Some("u@")),
        ("password", Some("p/")),
        ("host", Some("db.internal")),
        ("port", Some("5432")),
        ("path", Some("my app")),
        ("query", None),
    ] {
        let got = url_member(whole, name).map(|v| text(&v));
        assert_eq!(got.as_deref(), expected, "{name}");
    }
    assert!(url_member(b"redis://h:1/", "password").is_none());
    assert!(url_member(b"{\"host\":\"h\"}", "host").is_none());
}

#[test]
fn whose_turn_it_is() {
    let two = url();
    assert_eq!(two.next("app_a"), Some("app_b"));
    assert_eq!(two.next("app_b"), Some("app_a"));
    assert_eq!(two.next("app"), None);
    let one = Settings {
        users: Users::One("app".into()),
        ..url()
    };
    assert_eq!(one.next("app"), Some("app"));
    assert_eq!(one.next("app_a"), None);
}

#[test]
fn nothing_is_printed() {
    let printed = format!("{:?}", login("marked-user", "marked-word"));
    assert_eq!(printed, "Login(redacted)");
}

#[test]
fn passwords_have_every_class_and_no_character_is_likelier() {
    let mut entropy = Seeded(5);
    let mut counts = [0_u32; 128];
    for _ in 0..10_000 {
        let word = password(&mut entropy);
        assert_eq!(word.len(), 32);
        assert!(
            word.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        );
        assert!(!word.starts_with('-') && word.contains(['-', '_']));
        assert!(word.contains(|c: char| c.is_ascii_uppercase()));
        assert!(word.contains(|c: char| c.is_ascii_lowercase()));
        assert!(word.contains(|c: char| c.is_ascii_digit()));
        word.bytes().for_each(|b| counts[usize::from(b)] += 1);
    }
    let letters = counts.iter().enumerate();
    let letters: Vec<f64> = letters
        .filter(|(b, _)| u8::try_from(*b).unwrap().is_ascii_alphabetic())
        .map(|(_, n)| f64::from(*n))
        .collect();
    let mean = letters.iter().sum::<f64>() / letters.len() as f64;
    let chi2: f64 = letters.iter().map(|n| (n - mean).powi(2) / mean).sum();
    // 51 degrees of freedom: above 97 in one of ten thousand seeds.
    assert!(chi2 < 97.0, "{chi2}");
}

proptest! {
    #[test]
    fn every_login_survives_both_forms(user in "[^\0]{1,40}", word in "[^\0]{1,80}") {
        let login = login(&user, &word);
        let made = url().compose(&login, None).unwrap();
        prop_assert!(text(&made).is_ascii());
        prop_assert!(url().login(&made).unwrap() == login);
        let member = made.expose_to(|b| url_member(b, "password")).unwrap();
        prop_assert_eq!(text(&member), word);

        let json = settings(Form::RdsJson);
        let old = value(r#"{"password":"p","username":"u","x":[1,"{"]}"#);
        let made = json.compose(&login, Some(&old)).unwrap();
        prop_assert!(json.login(&made).unwrap() == login);
        prop_assert!(serde_json::from_str::<serde_json::Value>(&text(&made)).is_ok());
    }

    #[test]
    fn any_text_is_answered(text in "(postgres://|\\{\"username\":)?[ -~]{0,60}") {
        let _ = url().login(&value(&text));
        let _ = settings(Form::RdsJson).login(&value(&text));
        let _ = url_member(text.as_bytes(), "host");
    }
}
