//! `[env.*]`: what programs need and keyrota does not make.

use keyrota_gate::Pattern;

use super::keys::{self, Key};
use super::model::{BootRule, Required};
use super::read::{Names, Reader, Section, join, tables};
use super::words::is_variable;

/// All rules of a file.
pub fn all(reader: &mut Reader<'_>, top: &Section<'_>) -> Vec<BootRule> {
    let keys: Vec<&'static Key> = keys::BOOT.iter().collect();
    let mut rules = Vec::new();
    for (spot, name, table) in tables(reader, top, "env") {
        let at = join("env", name);
        if !is_variable(name) {
            reader.error(
                spot,
                &at,
                "is not a variable's name",
                "use letters, digits and _, not starting with a digit",
            );
        }
        let section = reader.section(table, &keys, spot, &at, &[]);
        rules.push(rule(reader, &section, name));
    }
    rules
}

fn rule(reader: &mut Reader<'_>, section: &Section<'_>, name: &str) -> BootRule {
    let owned = |texts: Vec<&str>| {
        texts
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<String>>()
    };
    let rule = BootRule {
        variable: name.to_owned(),
        format: section.text("format").map(str::to_owned),
        schemes: owned(section.texts("schemes")),
        min_length: section.count("min_length"),
        one_of: owned(section.texts("one_of")),
        pattern: section.text("pattern").map(str::to_owned),
        required: required(reader, section, name),
        forbidden: section.flag("forbidden").unwrap_or(false),
        default: section.text("default").map(str::to_owned),
        spot: section.spot,
    };
    if !rule.schemes.is_empty() && rule.format.as_deref() != Some("url") {
        reader.error(
            section.spot_of("schemes"),
            &join(&section.at, "schemes"),
            "applies to URLs only",
            "add format = \"url\"",
        );
    }
    if let Some(pattern) = &rule.pattern
        && Pattern::new(pattern).is_err()
    {
        let help = "write a regular expression, in '…' so that \\ stays as it is; look-around does not exist";
        reader.error(
            section.spot_of("pattern"),
            &join(&section.at, "pattern"),
            "is not a regular expression, or too large a one",
            help,
        );
    }
    let says_more = [
        "format",
        "schemes",
        "min_length",
        "one_of",
        "pattern",
        "required",
        "required_if",
        "default",
    ];
    if let Some(key) = says_more
        .iter()
        .find(|k| rule.forbidden && section.get(k).is_some())
    {
        reader.error(
            section.spot_of(key),
            &join(&section.at, key),
            "contradicts `forbidden`",
            "a forbidden variable has no other rules: remove one of the two",
        );
    }
    if let Some(default) = &rule.default
        && !rule.one_of.is_empty()
        && !rule.one_of.contains(default)
    {
        reader.error(
            section.spot_of("default"),
            &join(&section.at, "default"),
            "is not among one_of",
            "write one of them",
        );
    }
    rule
}

fn required(reader: &mut Reader<'_>, section: &Section<'_>, name: &str) -> Required {
    let otherwise = match (section.flag("required"), section.get("default")) {
        (Some(false), _) | (None, Some(_)) => Required::Optional,
        _ => Required::Always,
    };
    let Some((spot, node)) = section.get("required_if") else {
        return otherwise;
    };
    let at = join(&section.at, "required_if");
    let (variable, equals) = match (node.get_ref().as_str(), node.get_ref().as_table()) {
        (Some(variable), _) => (variable.to_owned(), None),
        (_, Some(table)) => {
            let inner = reader.section(
                table,
                &keys::REQUIRED_IF.iter().collect::<Vec<_>>(),
                spot,
                &at,
                &[],
            );
            (
                inner.text("variable").unwrap_or_default().to_owned(),
                inner.text("equals").map(str::to_owned),
            )
        }
        _ => return otherwise,
    };
    if variable == name {
        reader.error(
            spot,
            &at,
            "names the variable itself",
            "name another variable",
        );
    }
    if section.get("required").is_some() {
        reader.error(spot, &at, "contradicts `required`", "keep one of the two");
    }
    Required::If { variable, equals }
}

/// Reports conditions on variables nobody knows.
pub fn conditions(reader: &mut Reader<'_>, rules: &[BootRule], known: &Names<'_>) {
    for rule in rules {
        let Required::If { variable, .. } = &rule.required else {
            continue;
        };
        if !known.contains(variable.as_str()) {
            let guess = reader.guess(variable, known.iter().copied());
            let help = guess.map_or("name a variable of this file".to_owned(), |g| {
                format!("did you mean \"{g}\"?")
            });
            reader.warn(
                rule.spot,
                &join("env", &rule.variable),
                "required_if names a variable this file does not have",
                help,
            );
        }
    }
}
