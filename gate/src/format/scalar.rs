//! Small values: numbers, switches, addresses, JSON.

use serde_json::Value;

use crate::problem::Fault;

pub(crate) fn integer(value: &str) -> Result<(), Fault> {
    match value.parse::<i64>() {
        Ok(_) => Ok(()),
        Err(_) => Err(Fault::format(
            "it must be a whole number of at most 64 bits, digits only",
        )),
    }
}

pub(crate) fn boolean(value: &str) -> Result<(), Fault> {
    const WORDS: [&str; 8] = ["true", "false", "yes", "no", "on", "off", "1", "0"];
    if WORDS.iter().any(|word| word.eq_ignore_ascii_case(value)) {
        return Ok(());
    }
    Err(Fault::format("it must be true or false"))
}

pub(crate) fn port(value: &str) -> Result<(), Fault> {
    if is_port(value) {
        return Ok(());
    }
    Err(Fault::format("it must be a port: a number from 1 to 65535"))
}

pub(crate) fn is_port(text: &str) -> bool {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits && text.parse::<u16>().is_ok_and(|port| port != 0)
}

pub(crate) fn email(value: &str) -> Result<(), Fault> {
    let fault = |what: &str| {
        Err(Fault::format(format!(
            "it must be one e-mail address: {what}"
        )))
    };
    let Some((local, domain)) = value.split_once('@') else {
        return fault("there is no @ in it");
    };
    if domain.contains('@') {
        return fault("there is more than one @ in it");
    }
    if local.is_empty() || domain.is_empty() {
        return fault("one side of the @ is empty");
    }
    let unfit = |c: char| c.is_whitespace() || c.is_control() || "<>,;\"()".contains(c);
    if value.contains(unfit) {
        return fault("write no name, brackets, commas or spaces");
    }
    if domain.starts_with('.') || domain.ends_with('.') || domain.contains("..") {
        return fault("its domain has an empty part");
    }
    Ok(())
}

pub(crate) fn json(value: &str, members: &[String]) -> Result<(), Fault> {
    let document = parse(value)?;
    if members.is_empty() {
        return Ok(());
    }
    let Value::Object(object) = &document else {
        return Err(Fault::format("it must be a JSON object"));
    };
    let lacks = |name: &&String| match object.get(*name) {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(_) => false,
    };
    let lacking: Vec<&str> = members.iter().filter(lacks).map(String::as_str).collect();
    if lacking.is_empty() {
        return Ok(());
    }
    Err(Fault::format(format!(
        "the JSON object lacks {}",
        lacking.join(", ")
    )))
}

/// Parses JSON; the fault names the place, never what stands there.
pub(crate) fn parse(value: &str) -> Result<Value, Fault> {
    serde_json::from_str(value).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Fault::format(match error.classify() {
            serde_json::error::Category::Eof => "it is not JSON: it ends too early".to_owned(),
            _ => format!("it is not JSON: wrong at line {line}, column {column}"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(check: fn(&str) -> Result<(), Fault>, good: &[&str], bad: &[&str]) {
        for value in good {
            assert_eq!(check(value), Ok(()), "{value:?}");
        }
        for value in bad {
            assert!(check(value).is_err(), "{value:?}");
        }
    }

    #[test]
    fn scalars() {
        accepts(
            integer,
            &["0", "-1", "9223372036854775807"],
            &["", "1.5", "1_000", "9223372036854775808", "ten"],
        );
        accepts(
            boolean,
            &["true", "False", "ON", "0"],
            &["", "maybe", "2", "t"],
        );
        accepts(
            port,
            &["1", "8080", "65535"],
            &["", "0", "65536", "+80", "80 ", ":80", "-1"],
        );
        accepts(
            email,
            &["ops@example.org", "root@localhost", "a.b+c@mail.example"],
            &[
                "",
                "ops",
                "@host",
                "ops@",
                "a@b@c",
                "Ops <ops@example.org>",
                "a@b,c@d",
                "a@.org",
                "a@b..c",
            ],
        );
    }

    #[test]
    fn json_names_the_place_and_the_missing_members_only() {
        assert_eq!(
            json(
                r#"{"host":"db","port":5432}"#,
                &["host".into(), "port".into()]
            ),
            Ok(())
        );
        assert_eq!(json("[1, 2]", &[]), Ok(()));
        let wanted = [
            "username".to_owned(),
            "password".to_owned(),
            "host".to_owned(),
        ];
        let remedy = |value, members: &[String]| json(value, members).map_err(|fault| fault.remedy);
        let half = r#"{"username":"app","password":"","host":null}"#;
        assert_eq!(
            remedy(half, &wanted),
            Err("the JSON object lacks password, host".into())
        );
        assert_eq!(
            remedy("[]", &wanted),
            Err("it must be a JSON object".into())
        );
        assert_eq!(
            remedy("{\"a\": oops}", &[]),
            Err("it is not JSON: wrong at line 1, column 7".into())
        );
        assert_eq!(
            remedy("{\"a\": \"o", &[]),
            Err("it is not JSON: it ends too early".into())
        );
    }
}
