//! Values nobody chose: fillers, published examples, and references that were never resolved.
//!
//! A false alarm keeps a sound program from starting, so nothing here guesses: a filler consists of
//! known words only, an example is one that was published, a reference has the whole form of one.

/// What kind of placeholder a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placeholder {
    /// `changeme`, `<your key>`, `xxx`, or a key from a standard's examples.
    Example,
    /// `${NAME}`, `{{ name }}`: a template nobody filled in.
    Unexpanded,
    /// `op://vault/item`, `ENC[…]`: the address or the ciphertext of a secret.
    Unresolved,
}

impl Placeholder {
    /// What a person should do.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Placeholder::Example => "replace the example value",
            Placeholder::Unexpanded => {
                "it is a reference that nothing expanded: set the value itself"
            }
            Placeholder::Unresolved => {
                "it points to a secret or is its ciphertext: start the program through the tool that resolves it"
            }
        }
    }
}

/// Whether `value` is a placeholder. `secret` also refuses what may be a fair setting but is never a
/// secret: `test`, `none`, `password`, one character repeated.
pub(crate) fn placeholder(value: &str, secret: bool) -> Option<Placeholder> {
    if PUBLISHED.contains(&value)
        || value.starts_with("django-insecure-")
        || is_bracketed_words(value)
    {
        return Some(Placeholder::Example);
    }
    if is_unexpanded(value) {
        return Some(Placeholder::Unexpanded);
    }
    if UNRESOLVED.iter().any(|prefix| value.starts_with(prefix)) {
        return Some(Placeholder::Unresolved);
    }
    (is_filler(value, secret) || secret && is_repeated(value)).then_some(Placeholder::Example)
}

/// `<db-password>`: words of one case in angle brackets, and nothing else.
fn is_bracketed_words(value: &str) -> bool {
    let Some(inner) = value
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix('>'))
    else {
        return false;
    };
    let separator = |c: char| " _-.".contains(c);
    inner.starts_with(|c: char| c.is_ascii_alphabetic())
        && (inner
            .chars()
            .all(|c| c.is_ascii_lowercase() || separator(c))
            || inner
                .chars()
                .all(|c| c.is_ascii_uppercase() || separator(c)))
}

fn is_unexpanded(value: &str) -> bool {
    let wrapped = |open, close| {
        value
            .strip_prefix(open)
            .and_then(|rest| rest.strip_suffix(close))
    };
    let constant = |name: &str| {
        name.len() >= 3
            && name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
            && name
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    };
    // Names alone, and longer ones where text surrounds them, so that a random password that holds a
    // `$` and braces stays one.
    wrapped("${", "}").is_some_and(|inner| is_name(inner.split(':').next().unwrap_or(inner)))
        || wrapped("$(", ")").is_some_and(|inner| inner.contains(' '))
        || wrapped("{", "}").is_some_and(is_name)
        || wrapped("%", "%").is_some_and(constant)
        || value.strip_prefix('$').is_some_and(constant)
        || between(value, "${", "}").is_some_and(|inner| inner.len() >= 6 && constant(inner))
        || between(value, "{{", "}}").is_some_and(|inner| is_path(inner.trim()))
}

fn between<'v>(value: &'v str, open: &str, close: &str) -> Option<&'v str> {
    let (_, rest) = value.split_once(open)?;
    rest.split_once(close).map(|(inner, _)| inner)
}

fn is_name(text: &str) -> bool {
    text.len() >= 2
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// `secrets.db.password`, with the leading dot of Go templates or without.
fn is_path(text: &str) -> bool {
    let text = text.strip_prefix('.').unwrap_or(text);
    text.len() >= 3
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// Only words that people write where a value belongs, and at least one that says so by itself.
fn is_filler(value: &str, secret: bool) -> bool {
    // Longer than any filler; a key file need not be split into words.
    if value.len() > 120 || !value.is_ascii() {
        return false;
    }
    let mut telling = false;
    for word in value
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
    {
        let word = word.to_ascii_lowercase();
        let stem = word.trim_end_matches(|c: char| c.is_ascii_digit());
        let is_in = |list: &[&str]| list.contains(&stem) || list.contains(&word.as_str());
        let crossed = word.len() >= 3 && word.bytes().all(|byte| byte == b'x');
        if crossed || is_in(TELLING) || secret && is_in(SETTINGS) {
            telling = true;
        } else if !stem.is_empty() && !is_in(SETTINGS) && !is_in(COMPANIONS) {
            return false;
        }
    }
    telling
}

fn is_repeated(value: &str) -> bool {
    let mut chars = value.chars();
    let first = chars.next();
    value.len() >= 3 && chars.all(|c| Some(c) == first)
}

/// Words that stand for a value wherever they stand.
#[rustfmt::skip] // a table of words reads better in lines than in a column
const TELLING: &[&str] = &[
    "chamberme", "change", "changeit", "changeme", "changethis", "dummy", "edit", "example",
    "fill", "fixme", "insert", "placeholder", "replace", "replaceme", "replacethis", "sample",
    "somesecret", "supersecret", "tbd", "todo", "your", "yourkey", "yourpassword", "yoursecret",
    "yourtoken",
];

/// Words that may be a setting (`CACHE=none`), but never a secret.
#[rustfmt::skip] // a table of words reads better in lines than in a column
const SETTINGS: &[&str] = &[
    "admin", "default", "empty", "foo", "foobar", "hunter", "mysecret", "nil", "none", "null",
    "pass", "passw0rd", "passwd", "password", "s3cr3t", "s3cret", "secret", "secretkey", "test",
    "testing", "undefined", "unset",
];

/// Words that fillers are completed with. Numbers alone are always companions: `your-256-bit-key`.
#[rustfmt::skip] // a table of words reads better in lines than in a column
const COMPANIONS: &[&str] = &[
    "a", "access", "add", "an", "and", "api", "app", "at", "auth", "aws", "base", "before",
    "bit", "bits", "bytes", "char", "characters", "chars", "client", "cookie", "database", "db",
    "deploy", "deploying", "dev", "development", "dsn", "encryption", "enter", "for", "from",
    "ghp", "go", "here", "hex", "host", "id", "in", "it", "jwt", "key", "least", "live",
    "local", "long", "me", "min", "minimum", "my", "of", "or", "pk", "please", "private",
    "prod", "production", "public", "put", "random", "real", "safe", "secure", "session", "set",
    "sign", "signing", "signkey", "sk", "some", "staging", "string", "strong", "super", "the",
    "this", "to", "token", "url", "use", "user", "username", "value", "very", "webhook",
    "whsec", "with",
];

/// Keys that were printed in documentation, and are used by those who copied it.
const PUBLISHED: &[&str] = &[
    "AKIAIOSFODNN7EXAMPLE",                                    // AWS documentation
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",                // AWS documentation
    "a-string-secret-at-least-256-bits-long",                  // jwt.io
    "super-secret-jwt-token-with-at-least-32-characters-long", // Supabase self-hosting
    "keyboard cat",                                            // express-session
    "correct horse battery staple",                            // xkcd 936
    "hunter2",
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow", // RFC 7515 A.1
];

/// How references to secrets, and encrypted ones, begin.
const UNRESOLVED: &[&str] = &[
    "op://",           // 1Password
    "ENC[AES256_GCM,", // SOPS
    "encrypted:",      // dotenvx
    "$ANSIBLE_VAULT;", // Ansible Vault
    "-----BEGIN AGE ENCRYPTED FILE-----",
    "-----BEGIN PGP MESSAGE-----",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn placeholders_are_known() {
        use Placeholder::{Example, Unexpanded, Unresolved};
        let cases = [
            ("changeme", Example),
            ("ChangeMe123!", Example),
            ("change-me", Example),
            ("CHANGE_ME_IN_PRODUCTION", Example),
            ("REPLACE_ME", Example),
            ("replace-with-a-long-random-string", Example),
            ("xxx", Example),
            ("sk_live_xxxxxxxxxxxx", Example),
            ("xxxx-xxxx", Example),
            ("TODO", Example),
            ("your-256-bit-secret", Example),
            ("your_api_key_here", Example),
            ("[YOUR-PASSWORD]", Example),
            ("<your api key>", Example),
            ("<Your API Key>", Example),
            ("<password>", Example),
            ("AKIAIOSFODNN7EXAMPLE", Example),
            ("django-insecure-k3#v", Example),
            ("${DATABASE_URL}", Unexpanded),
            ("${db:-fallback}", Unexpanded),
            ("$DATABASE_URL", Unexpanded),
            ("postgres://app:${DB_PASSWORD}@db/app", Unexpanded),
            ("{{ .Values.password }}", Unexpanded),
            ("prefix-{{secret_key}}", Unexpanded),
            ("{password}", Unexpanded),
            ("%DB_PASSWORD%", Unexpanded),
            ("$(cat /run/secrets/db)", Unexpanded),
            ("op://vault/item/field", Unresolved),
            ("ENC[AES256_GCM,data:x]", Unresolved),
        ];
        for (value, expected) in cases {
            assert_eq!(placeholder(value, false), Some(expected), "{value}");
            assert_eq!(
                placeholder(value, true),
                Some(expected),
                "{value} as a secret"
            );
        }
    }

    #[test]
    fn settings_are_placeholders_only_for_secrets() {
        for value in [
            "password",
            "secret",
            "test",
            "none",
            "admin123",
            "aaaa",
            "00000000",
            "my-secret-key",
        ] {
            assert_eq!(placeholder(value, false), None, "{value}");
            assert_eq!(
                placeholder(value, true),
                Some(Placeholder::Example),
                "{value}"
            );
        }
    }

    #[test]
    fn real_settings_are_left_alone() {
        let values = [
            "production",
            "info",
            "eu-central-1",
            "db.internal",
            "8080",
            "true",
            "api",
            "live",
            "x",
            "xx",
            "1",
            "https://web.app.internal/set/session",
            "redis://cache:6379/0",
            "my-app-dev",
            "user",
            "for-me",
            "{}",
            "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
            "100%",
            "k4${AAA}aAAa0Q",
            "a<b>c",
            "^\\d{2}$",
        ];
        for value in values {
            assert_eq!(placeholder(value, true), None, "{value}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]

        #[test]
        fn a_random_token_is_never_one(token in "[A-Za-z0-9_-]{32}", hex in "[0-9a-f]{32,64}", base64 in "[A-Za-z0-9+/]{22,43}=?") {
            prop_assert_eq!(placeholder(&token, true), None);
            prop_assert_eq!(placeholder(&hex, true), None);
            prop_assert_eq!(placeholder(&base64, true), None);
        }

        #[test]
        fn a_random_password_is_never_one(password in "[ -~]{16,64}") {
            prop_assert_eq!(placeholder(&password, true), None);
        }

        #[test]
        fn nothing_panics(value in "\\PC{0,40}") {
            placeholder(&value, true);
        }
    }
}
