//! What programs see of a secret: from versions to variables. Pure.

use keyrota_contract::{SecretValue, Variable, Version};
use zeroize::Zeroizing;

use crate::config::model::{EnvVar, Part, Role, Template};
use crate::rotators::database::url_member;
use crate::rotators::jwks::KID;

/// The versions a reader may be shown.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// What it uses.
    pub current: Option<&'a Version>,
    /// What it accepts as well: pending if there is one, else previous, else nothing.
    pub fallback: Option<&'a Version>,
}

/// A field of a template that the value does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSuchField {
    /// The variable that was to be written.
    pub variable: String,
    /// The field's name in the template.
    pub field: String,
}

/// The variables of `vars` in their order. Without a current version every one of them is absent;
/// without a fallback, those that show it.
pub fn variables(vars: &[EnvVar], shown: Shown<'_>) -> Result<Vec<Variable>, NoSuchField> {
    vars.iter()
        .map(|var| {
            let version = match var.role {
                Role::Value | Role::Kid => shown.current,
                Role::Fallback => shown.fallback,
            };
            let value = match version {
                Some(version) => {
                    Some(render(&var.template, version).map_err(|field| NoSuchField {
                        variable: var.name.clone(),
                        field,
                    })?)
                }
                None => None,
            };
            Ok(Variable {
                name: var.name.clone(),
                value,
            })
        })
        .collect()
}

/// The text of `template` for `version`; the error names the field that is missing.
pub fn render(template: &Template, version: &Version) -> Result<SecretValue, String> {
    let mut parts: Vec<SecretValue> = Vec::with_capacity(template.parts.len());
    for part in &template.parts {
        parts.push(match part {
            Part::Literal(text) => SecretValue::copy_of(text.as_bytes()),
            Part::Field(name) => field(name, version).ok_or_else(|| name.clone())?,
        });
    }
    // One buffer of the final size: a buffer that grows leaves copies behind.
    let size = parts.iter().map(|p| p.expose_to(<[u8]>::len)).sum();
    let mut whole = Vec::with_capacity(size);
    for part in &parts {
        part.expose_to(|bytes| whole.extend_from_slice(bytes));
    }
    Ok(SecretValue::new(whole))
}

fn field(name: &str, version: &Version) -> Option<SecretValue> {
    match name {
        "value" => Some(version.value.expose_to(SecretValue::copy_of)),
        KID => version
            .public
            .get(KID)
            .map(|kid| SecretValue::copy_of(kid.as_bytes())),
        member => version
            .value
            .expose_to(|bytes| json_member(bytes, member).or_else(|| url_member(bytes, member))),
    }
}

/// A string, number or boolean of a JSON object, as text.
fn json_member(bytes: &[u8], name: &str) -> Option<SecretValue> {
    let object: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let text = Zeroizing::new(match object.get(name)? {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Number(number) => number.to_string(),
        serde_json::Value::Bool(yes) => yes.to_string(),
        _ => return None,
    });
    Some(SecretValue::copy_of(text.as_bytes()))
}

/// Everything an exposure shows, and which value is `current`, in one unambiguous line of bytes, to
/// be fingerprinted: equal bytes mean that a consumer has nothing new to see.
pub fn digest_input(variables: &[Variable], jwks: Option<&str>, current: &str) -> SecretValue {
    let mut parts: Vec<SecretValue> = Vec::new();
    for variable in variables {
        parts.push(SecretValue::copy_of(variable.name.as_bytes()));
        parts.push(match &variable.value {
            Some(value) => SecretValue::new(value.expose_to(|bytes| [b"=", bytes].concat())),
            None => SecretValue::copy_of(b"-"),
        });
    }
    parts.push(SecretValue::copy_of(jwks.unwrap_or("").as_bytes()));
    parts.push(SecretValue::copy_of(current.as_bytes()));
    let sizes = parts.iter().map(|p| p.expose_to(<[u8]>::len));
    let size = sizes.fold(0, |all: usize, size| {
        all.saturating_add(size).saturating_add(8)
    });
    let mut whole = Vec::with_capacity(size);
    for part in &parts {
        part.expose_to(|bytes| {
            whole.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
            whole.extend_from_slice(bytes);
        });
    }
    SecretValue::new(whole)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use keyrota_contract::Public;

    use super::*;

    fn version(value: &str) -> Version {
        Version {
            id: None,
            value: SecretValue::copy_of(value.as_bytes()),
            public: Public::from([("kid".to_owned(), format!("kid-of-{value}"))]),
        }
    }

    fn var(name: &str, role: Role, template: Template) -> EnvVar {
        EnvVar {
            name: name.to_owned(),
            role,
            template,
            spot: crate::config::model::Spot::default(),
        }
    }

    fn text(value: &SecretValue) -> String {
        value.expose_to(|b| String::from_utf8(b.to_vec()).unwrap())
    }

    fn shown(
        vars: &[EnvVar],
        current: Option<&Version>,
        fallback: Option<&Version>,
    ) -> Vec<(String, Option<String>)> {
        variables(vars, Shown { current, fallback })
            .unwrap()
            .into_iter()
            .map(|v| (v.name, v.value.as_ref().map(text)))
            .collect()
    }

    #[test]
    fn each_role_shows_its_version_and_absence_is_absence() {
        let vars = [
            var("KEY", Role::Value, Template::of("value")),
            var("KID", Role::Kid, Template::of("kid")),
            var("OLD", Role::Fallback, Template::of("value")),
        ];
        let (a, b) = (version("a"), version("b"));
        let is = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
        assert_eq!(
            shown(&vars, Some(&a), Some(&b)),
            [
                is("KEY", Some("a")),
                is("KID", Some("kid-of-a")),
                is("OLD", Some("b"))
            ]
        );
        assert_eq!(shown(&vars, Some(&a), None)[2], is("OLD", None));
        assert_eq!(
            shown(&vars, None, None),
            [is("KEY", None), is("KID", None), is("OLD", None)]
        );
    }

    #[test]
    fn templates_take_members_of_json_and_name_what_is_missing() {
        let object = version(r#"{"username":"app","port":5432,"nested":{}}"#);
        let template = Template {
            parts: vec![
                Part::Field("username".into()),
                Part::Literal(":".into()),
                Part::Field("port".into()),
            ],
        };
        assert_eq!(text(&render(&template, &object).unwrap()), "app:5432");
        let url = version("postgres://app:p%40ss@db.internal:5432/app");
        assert_eq!(text(&render(&template, &url).unwrap()), "app:5432");
        let password = render(&Template::of("password"), &url).unwrap();
        assert_eq!(text(&password), "p@ss");
        assert_eq!(
            render(&Template::of("password"), &object).unwrap_err(),
            "password"
        );
        assert_eq!(
            render(&Template::of("nested"), &object).unwrap_err(),
            "nested"
        );
    }

    #[test]
    fn a_login_has_every_field_that_a_template_may_name() {
        let fields = |value: &str, expected: &[(&str, &str)]| {
            let value = version(value);
            for (field, is) in expected {
                let shown = render(&Template::of(field), &value).unwrap();
                assert_eq!(text(&shown), *is, "{field}");
            }
        };
        let url = "postgres://app_a:p%40ss@db.internal/app%20one?x=y";
        let of_url = [
            ("value", url),
            ("scheme", "postgres"),
            ("username", "app_a"),
            ("password", "p@ss"),
            ("host", "db.internal"),
            ("port", "5432"),
            ("path", "app one"),
        ];
        fields(url, &of_url);
        let rds = r#"{"engine":"mysql","username":"app_a","password":"p@ss","host":"db.internal","port":3306,"dbname":"app","dbInstanceIdentifier":"db-1"}"#;
        let of_rds = [
            ("value", rds),
            ("engine", "mysql"),
            ("username", "app_a"),
            ("password", "p@ss"),
            ("host", "db.internal"),
            ("port", "3306"),
            ("dbname", "app"),
            ("dbInstanceIdentifier", "db-1"),
        ];
        fields(rds, &of_rds);
        let kid = render(&Template::of("kid"), &version("k")).unwrap();
        assert_eq!(text(&kid), "kid-of-k");
    }

    #[test]
    fn different_exposures_have_different_digests() {
        let digest = |vars: &[(&str, Option<&str>)], jwks| {
            let vars: Vec<Variable> = vars
                .iter()
                .map(|(n, v)| Variable {
                    name: (*n).to_owned(),
                    value: v.map(|v| SecretValue::copy_of(v.as_bytes())),
                })
                .collect();
            text(&digest_input(&vars, jwks, "print"))
        };
        let nothing_shown = |current| text(&digest_input(&[], None, current));
        assert_ne!(nothing_shown("one"), nothing_shown("two"));
        let all = [
            digest(&[("A", Some("1"))], None),
            digest(&[("A", None)], None),
            digest(&[("A", Some(""))], None),
            digest(&[("A", Some("-"))], None),
            digest(&[("A=", Some("1"))], None),
            digest(&[("A", Some("1")), ("B", None)], None),
            digest(&[("A", Some("1"))], Some("{}")),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b));
        }
    }
}
