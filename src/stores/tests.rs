//! The registry.

use std::path::Path;

use jiff::Timestamp;

use super::*;
use crate::config::environment::decode;
use crate::config::keys::{Key, Ty};
use crate::config::schema::json_schema;
use crate::config::{Family, Registry, Source, render};

#[test]
fn a_word_is_one_kind_whether_built_in_or_not() {
    let built = KINDS.iter().map(|kind| kind.word);
    let mut words: Vec<&str> = built.chain(LEFT_OUT.iter().copied()).collect();
    let all = words.len();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), all, "{words:?}");
    assert!(
        ["aws-secrets-manager", "aws-ssm", "file", "vault"]
            .iter()
            .all(|w| words.contains(w))
    );
}

/// What a build without a feature does, whichever features this one has.
#[test]
fn a_kind_that_is_left_out_is_known_and_refused() {
    let registry = Registry::default()
        .with_provider(&file::KIND)
        .with_secret(&crate::rotators::random::KIND)
        .without(Family::Provider, &["aws-ssm", "vault"]);
    let text = "environment = \"development\"\n[providers.main]\nkind = \"file\"\npath = \"d.age\"\n\
        [providers.far]\nkind = \"vault\"\n[secrets.token]\nkind = \"random\"\nprovider = \"main\"\nrefresh = \"0s\"\n";
    let source = Source::new("schedules/development.toml", text);
    let root = Path::new("/srv");
    let (_, problems) = decode(
        &source,
        "development",
        root,
        Timestamp::UNIX_EPOCH,
        &registry,
    );
    let shown = render::text(&problems, &[source], registry.catalog(), false);
    let sentence = "schedules/development.toml:6:8: providers.far.kind: the provider kind \"vault\" is not built in\n";
    assert_eq!(problems.len(), 1, "{shown}");
    assert!(shown.contains(sentence), "{shown}");
    assert!(shown.contains("kind = \"vault\""), "{shown}");
    assert!(shown.contains("help: this build has file\n"), "{shown}");
    let schema = json_schema(&registry).to_string();
    assert!(schema.contains("recipients") && !schema.contains("\"vault\""));
}

/// The table "Keys" of providers/README.md: kind, key, default.
fn told() -> Vec<(String, String, String)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("providers/README.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let section = page.split("\n## ").find(|s| s.starts_with("Keys\n"));
    let lines = section.expect("the section").lines();
    let rows = lines.filter(|line| line.starts_with("| `"));
    let of = |row: &str| {
        let mut cells = row.trim_matches(['|', ' ']).split(" | ");
        let mut cell = || cells.next().expect("a cell").replace('`', "");
        let (kinds, key, default) = (cell(), cell(), cell());
        let kinds = kinds.split(", ").map(str::to_owned);
        let row = kinds.map(|kind| (kind, key.clone(), default.clone()));
        row.collect::<Vec<_>>()
    };
    rows.flat_map(of).collect()
}

/// The same from the code: what the cell of the default has to begin with.
fn known(kind: &str, above: &str, key: &Key) -> Vec<(String, String, String)> {
    let name = format!("{above}{}", key.name);
    let clause = key.doc.strip_suffix(" when absent.");
    let default = match clause.map(|doc| doc.rsplit_once("; ")) {
        _ if key.required => "must be written",
        Some(Some((_, default))) => default,
        Some(None) => panic!("{kind}: {name}: a default stands behind a semicolon"),
        None => "none",
    };
    let mut all = vec![(kind.to_owned(), name.clone(), default.to_owned())];
    if let Ty::Table(keys) = key.ty {
        let below = format!("{name}.");
        all.extend(keys.iter().flat_map(|key| known(kind, &below, key)));
    }
    all
}

#[test]
fn the_page_tells_every_key_with_its_default_and_no_other() {
    let known: Vec<_> = KINDS
        .iter()
        .flat_map(|kind| {
            kind.keys
                .iter()
                .copied()
                .flatten()
                .map(move |key| (kind.word, key))
        })
        .flat_map(|(kind, key)| known(kind, "", key))
        .collect();
    let mut told = told();
    told.retain(|(kind, ..)| !LEFT_OUT.contains(&kind.as_str()));
    let same = |a: &&(String, String, String), b: &(String, String, String)| {
        (&a.0, &a.1) == (&b.0, &b.1) && a.2.starts_with(&b.2)
    };
    let untold: Vec<_> = known
        .iter()
        .filter(|k| !told.iter().any(|t| same(&t, k)))
        .collect();
    let stale: Vec<_> = told
        .iter()
        .filter(|t| !known.iter().any(|k| same(t, k)))
        .collect();
    assert!(
        untold.is_empty() && stale.is_empty(),
        "in the code: {untold:?}; on the page: {stale:?}"
    );
    assert_eq!(told.len(), known.len(), "a row stands there twice");
}

#[cfg(feature = "aws")]
#[test]
fn the_defaults_of_parameter_store_are_those_of_its_crate() {
    let kind = crate::kinds::registry().store("aws-ssm").expect("built in");
    let doc = |name: &str| {
        let mut keys = kind.keys.iter().copied().flatten();
        keys.find(|key| key.name == name).map_or("", |key| key.doc)
    };
    let writes = format!("; {} when absent.", keyrota_aws::ssm::WRITES_PER_SECOND);
    assert!(doc("writes_per_second").ends_with(&writes));
    let tier = format!("; {:?} when absent.", keyrota_aws::Tier::default()).to_lowercase();
    assert!(doc("tier").ends_with(&tier));
}
