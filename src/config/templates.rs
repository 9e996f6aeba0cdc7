//! Texts with `{field}`: which fields a kind of secret has, and what a file shows of them.

use super::read::{Reader, Section, in_order, join};
use super::registry::SecretFacts;
use super::values::{EnvVar, Part, Role, Spot, Template};
use super::words;

/// A table of names and templates. `{kid}` and `{fallback}` stand alone.
pub fn templates(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    key: &str,
    kind: &str,
    secret: &SecretFacts,
) -> Vec<EnvVar> {
    let table = section
        .get(key)
        .and_then(|(_, node)| node.get_ref().as_table());
    let at = join(&section.at, key);
    let mut made = Vec::new();
    for (spot, name, node) in table
        .map(|t| in_order(reader.source, t))
        .unwrap_or_default()
    {
        let at = join(&at, name);
        if !words::is_variable(name) {
            reader.error(
                spot,
                &at,
                "is not a variable's name",
                "use letters, digits and _, not starting with a digit",
            );
        }
        let Some(template) = node
            .get_ref()
            .as_str()
            .and_then(|t| words::template(t).ok())
        else {
            continue;
        };
        let fields = fields_of(reader, reader.spot(node), &at, &template, kind, secret);
        let known = secret.fields;
        let apart = |field: &&str| fields.contains(field) && known.contains(field);
        if template.parts.len() > 1 && ["kid", "fallback"].iter().any(apart) {
            reader.error(
                reader.spot(node),
                &at,
                "{kid} and {fallback} cannot be combined with other text",
                "give each a variable of its own",
            );
        }
        let (role, template) = match fields.first() {
            Some(&"kid") => (Role::Kid, template),
            Some(&"fallback") => (Role::Fallback, Template::of("value")),
            _ => (Role::Value, template),
        };
        made.push(EnvVar {
            name: name.to_owned(),
            role,
            template,
            spot,
        });
    }
    made
}

/// The fields a template names; those that the kind does not know, and none at all, are told.
pub fn fields_of<'t>(
    reader: &mut Reader<'_>,
    spot: Spot,
    at: &str,
    template: &'t Template,
    kind: &str,
    secret: &SecretFacts,
) -> Vec<&'t str> {
    let known = secret.fields;
    let fields: Vec<&str> = template
        .parts
        .iter()
        .filter_map(|p| match p {
            Part::Field(field) => Some(field.as_str()),
            Part::Literal(_) => None,
        })
        .collect();
    let wrong = fields
        .iter()
        .any(|f| !known.is_empty() && !known.contains(f));
    if fields.is_empty() {
        reader.error(
            spot,
            at,
            "shows nothing of the secret",
            "write {value}; a fixed value belongs into [env.NAME] as default, never a secret one",
        );
    } else if wrong {
        let list = known
            .iter()
            .map(|f| format!("{{{f}}}"))
            .collect::<Vec<_>>()
            .join(" ");
        reader.error(
            spot,
            at,
            format!("has a field that kind \"{}\" does not know", kind),
            format!("write one of {list}"),
        );
    }
    fields
}
