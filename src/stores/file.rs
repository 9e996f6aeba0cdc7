//! `kind = "file"`: one age-encrypted document.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use keyrota_local::{FileProvider, Identities};

use crate::config::input;
use crate::config::keys::{Key, TEXTS, Ty, may, must};
use crate::config::model::Reference;
use crate::config::read::{Reader, Section, join};
use crate::config::registry::rights::Giver;
use crate::config::registry::{BuildError, Building, Built, Problem, Reading, Settings, StoreKind};

pub static KIND: StoreKind = StoreKind {
    word: "file",
    name: "a file",
    keys: &[KEYS],
    capabilities: keyrota_local::CAPABILITIES,
    read,
};

const KEYS: &[Key] = &[
    must("path", Ty::Text, "The age-encrypted document."),
    may(
        "recipients",
        TEXTS,
        "Who can read it: age1…; in development the made key when absent.",
    ),
    may(
        "identity",
        Ty::Reference,
        "The key that opens it; in development made in .keyrota/ when absent.",
    ),
];

#[derive(Debug)]
struct Document {
    path: PathBuf,
    /// Who can read it. Empty only in development: the recipient of the made identity.
    recipients: Vec<String>,
    /// The key that opens it. `None` only in development: made in `.keyrota/`.
    identity: Option<Reference>,
}

fn read(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    reading: &Reading<'_>,
) -> Arc<dyn Settings> {
    let development = reading.environment == "development";
    let identity = reader.reference(section, "identity", reading.root);
    let recipients: Vec<String> = section
        .texts("recipients")
        .into_iter()
        .map(str::to_owned)
        .collect();
    let at = join(&section.at, "recipients");
    if let Some(i) = recipients.iter().position(|r| !is_recipient(r)) {
        let help = "write what age-keygen -y prints: age1 and 58 more characters";
        reader.error(
            section.spot_of("recipients"),
            &format!("{at}[{i}]"),
            "is not an age recipient",
            help,
        );
    }
    let stated = (section.has("recipients"), section.has("identity"));
    let spot = section.spot;
    if stated.0 && recipients.is_empty() && !development && !reader.broken {
        let help = "write the identity's recipient (age-keygen -y prints it) and that of a key in a safe place";
        reader.error(
            section.spot_of("recipients"),
            &at,
            "is empty: no key could read the document",
            help,
        );
    }
    match stated {
        (true, true) => {}
        (false, false) if development => {}
        (true, false) if development => {
            reader.error(
                spot,
                &section.at,
                "recipients without an identity could not be opened here",
                "add identity, or leave both out: a key is made in .keyrota/",
            );
        }
        (false, _) if !reader.broken => {
            reader.error(spot, &section.at, "`recipients` is missing", "add recipients = [\"age1…\"]: who can read the document; age-keygen makes the pair");
        }
        _ => {}
    }
    if !stated.1 && !development && !reader.broken {
        reader.error(
            spot,
            &section.at,
            "`identity` is missing",
            "add identity = { credential = \"age-identity\" }: the key that opens the document",
        );
    }
    Arc::new(Document {
        path: reading.root.join(section.text("path").unwrap_or_default()),
        recipients,
        identity,
    })
}

/// The shape of an X25519 recipient: bech32, 62 characters. The provider checks the rest.
fn is_recipient(text: &str) -> bool {
    let data = text.strip_prefix("age1");
    data.is_some_and(|d| {
        d.len() == 58
            && d.bytes()
                .all(|b| b"qpzry9x8gf2tvdw0s3jn54khce6mua7l".contains(&b))
    })
}

impl Settings for Document {
    fn place<'p>(&self, path: &'p str) -> (String, &'p str) {
        (self.path.display().to_string(), path)
    }

    fn path_problem(&self, _: &str) -> Option<Problem> {
        None
    }

    fn has_fields(&self) -> bool {
        false
    }

    fn inputs(&self) -> Vec<&Reference> {
        self.identity.iter().collect()
    }

    fn rights(&self) -> Giver<'_> {
        let dir = self.path.parent().unwrap_or(&self.path).display();
        Giver::System {
            rights: format!(
                "is a file, and the system gives the rights: the directory {dir} belongs to the user of \
                 keyrota, with mode 0700; the document in it, {}, with mode 0600, is made by keyrota. Who only \
                 starts programs (`keyrota run`) reads both as that user",
                self.path.display()
            ),
            setup: vec![
                match &self.identity {
                    None => "the age identity: keyrota makes it in .keyrota/keys".to_owned(),
                    Some(reference) => format!(
                        "the age identity as {}: age-keygen makes one",
                        reference.in_words()
                    ),
                },
                format!("a directory that keyrota may write: {dir}"),
            ],
        }
    }

    fn build(&self, how: &Building<'_>) -> Result<Built, BuildError> {
        let key = match &self.identity {
            Some(reference) => input::resolve(reference),
            None => input::from_file(how.made_identity),
        };
        let key = key.map_err(|e| BuildError::Input(how.table(), e))?;
        let identities = key
            .expose_to(Identities::parse)
            .map_err(|e| BuildError::Identity(how.table(), e))?;
        let (environment, host) = (how.environment, how.host);
        FileProvider::new(&self.path, identities, &self.recipients, environment, host)
            .map(|built| Built::Document(Arc::new(built)))
            .map_err(|e| BuildError::Identity(how.table(), e))
    }

    fn made_document(&self) -> Option<&Path> {
        self.identity.is_none().then_some(&self.path)
    }
}
