//! The pages of docs/reference, made from the key tables, the command line and the registry. A test compares:
//! `KEYROTA_WRITE_DOCS=1 cargo test --lib reference` writes them.

use std::fmt::Write as _;
use std::path::Path;

use clap::CommandFactory;

use super::Cli;
use crate::config::Registry;
use crate::config::keys::{self, Family, Key, Ty};

const GENERATED: &str = "<!-- Generated: KEYROTA_WRITE_DOCS=1 cargo test --lib reference -->\n\n";

#[test]
fn reference_pages_are_fresh() {
    let registry = crate::kinds::registry();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference");
    let mut stale = Vec::new();
    for (name, text) in [
        ("schedule", schedule(&registry)),
        ("keyrota-toml", host()),
        ("command-line", command_line()),
    ] {
        let file = directory.join(format!("{name}.md"));
        let text = format!("{GENERATED}{text}");
        if std::env::var_os("KEYROTA_WRITE_DOCS").is_some() {
            std::fs::write(&file, &text).expect("the page can be written");
        }
        if std::fs::read_to_string(&file).ok().as_deref() != Some(&text) {
            stale.push(name);
        }
    }
    assert!(
        stale.is_empty() || !complete(&registry),
        "run: KEYROTA_WRITE_DOCS=1 cargo test --lib reference ({stale:?})"
    );
}

/// Whether this build has every provider: only then its pages are those of the repository.
fn complete(registry: &Registry) -> bool {
    registry.kinds(Family::Provider).planned.is_empty()
}

fn schedule(registry: &Registry) -> String {
    let mut page = String::from(
        "# The schedule\n\n`schedules/<environment>.toml` describes one environment. `keyrota validate` checks it, and `keyrota schema` \
         prints its JSON Schema for editors. Keys marked with * are required.\n\n",
    );
    table(&mut page, "The file", keys::ENVIRONMENT.iter());
    table(
        &mut page,
        "`[defaults]`: for every secret that does not say otherwise",
        keys::DEFAULTS.iter(),
    );
    for (family, title) in [
        (Family::Provider, "`[providers.NAME]`"),
        (Family::Secret, "`[secrets.NAME]`"),
        (Family::Consumer, "`[[secrets.NAME.consumers]]`"),
    ] {
        let kinds = registry.kinds(family);
        if !kinds.common.is_empty() {
            table(
                &mut page,
                &format!("{title}: keys of every kind"),
                kinds.common.iter(),
            );
        }
        for (word, own) in &kinds.built {
            let own = own.iter().copied().flatten();
            table(&mut page, &format!("{title} with `kind = \"{word}\"`"), own);
        }
    }
    table(&mut page, "`[[secrets.NAME.copies]]`", keys::COPY.iter());
    table(&mut page, "`confirm = { … }`", keys::CONFIRM.iter());
    table(&mut page, "`window = { … }`", keys::SPAN_OF_DAY.iter());
    table(
        &mut page,
        "`blackouts = [{ … }]`",
        keys::SPAN_OF_TIME.iter(),
    );
    table(&mut page, "`[env.NAME]`", keys::BOOT.iter());
    table(&mut page, "`required_if = { … }`", keys::REQUIRED_IF.iter());
    table(&mut page, "`[programs.NAME]`", keys::PROGRAM.iter());
    table(
        &mut page,
        "References: exactly one key",
        keys::REFERENCE.iter(),
    );
    page
}

fn host() -> String {
    let mut page = String::from(
        "# keyrota.toml\n\nThe settings of one host: `/etc/keyrota/keyrota.toml`, `--config FILE` or `KEYROTA_CONFIG`. Every key is \
         optional. Flags and variables of the command line come first.\n\n",
    );
    table(&mut page, "The file", keys::HOST.iter());
    table(
        &mut page,
        "References: exactly one key",
        keys::REFERENCE.iter(),
    );
    page
}

fn table<'k>(page: &mut String, title: &str, keys: impl Iterator<Item = &'k Key>) {
    let _ = write!(
        page,
        "## {title}\n\n| key | type | default | meaning |\n|---|---|---|---|\n"
    );
    for key in keys {
        let required = if key.required { "*" } else { "" };
        let default = key
            .default
            .map_or(String::new(), |text| format!("`{text}`"));
        let doc = key.doc.replace('|', "\\|");
        let _ = writeln!(
            page,
            "| `{}`{required} | {} | {default} | {doc} |",
            key.name,
            in_words(&key.ty)
        );
    }
    page.push('\n');
}

fn in_words(ty: &Ty) -> String {
    match ty {
        Ty::Text => "text".to_owned(),
        Ty::Word(words) => {
            let words = words.iter().map(|word| format!("`{word}`"));
            words.collect::<Vec<_>>().join(", ")
        }
        Ty::Duration => "duration: `90s` `10m` `24h` `7d` `12w`".to_owned(),
        Ty::Count(min, max) => format!("number, {min} to {max}"),
        Ty::Flag => "`true` or `false`".to_owned(),
        Ty::Moment => "date, or date and time".to_owned(),
        Ty::Clock => "time of day: `\"02:00\"`".to_owned(),
        Ty::Variable => "name of a variable".to_owned(),
        Ty::Template => "text with `{field}`".to_owned(),
        Ty::Mode => "permission bits: `\"0600\"`".to_owned(),
        Ty::Owner => "`\"user:group\"`".to_owned(),
        Ty::Reference => "reference".to_owned(),
        Ty::List(of) => format!("list: {}", in_words(of)),
        Ty::Table(_) => "table".to_owned(),
        Ty::Map(of) => format!("table of names: {}", in_words(of)),
        Ty::Either(a, b) => format!("{}; or {}", in_words(a), in_words(b)),
        Ty::Kinds(_) => "table with `kind`".to_owned(),
        Ty::NotBuiltIn(why) => format!("not built in: {why}"),
    }
}

fn command_line() -> String {
    let mut page = String::from("# The command line\n\n");
    let mut keyrota = Cli::command().term_width(110);
    keyrota.build();
    help(&mut page, &mut keyrota);
    page
}

fn help(page: &mut String, command: &mut clap::Command) {
    let name = command.get_bin_name().unwrap_or("keyrota").to_owned();
    let text = command.render_long_help().to_string();
    // What this machine sets is not part of the page.
    let lines = text
        .lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n");
    let _ = write!(page, "## {name}\n\n```text\n{}\n```\n\n", lines.trim());
    for sub in command
        .get_subcommands_mut()
        .filter(|sub| sub.get_name() != "help")
    {
        help(page, sub);
    }
}
