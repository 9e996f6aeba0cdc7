//! Looks for a value in everything that must not hold it, in the forms it takes on its way: as it
//! is, escaped for JSON, in hex, percent-encoded, in base64 at each of the three offsets.

use std::collections::BTreeSet;
use std::path::Path;

use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};

/// What is looked for. Shows the names of values and never the values.
pub struct Leaks {
    forms: Vec<(String, Vec<u8>)>,
    /// Whether some form begins with these two bytes: one look per place instead of one per form.
    begins: Vec<bool>,
}

impl Leaks {
    /// Of these values, by the names under which a find is told.
    pub fn of<T: AsRef<[u8]>>(values: &[(&str, T)]) -> Self {
        let mut forms = BTreeSet::new();
        for (name, value) in values {
            add_forms(&mut forms, name, value.as_ref());
            let value = std::str::from_utf8(value.as_ref()).unwrap_or_default();
            // The lines of a PEM travel alone as well.
            for line in value
                .lines()
                .filter(|l| !l.starts_with("-----") && l.len() >= 16 && *l != value)
            {
                add_forms(&mut forms, &format!("{name}, a line"), line.as_bytes());
                if let Ok(der) = BASE64.decode(line.as_bytes()) {
                    // The last 32 bytes of an Ed25519 PKCS #8 are the key.
                    let key = der[der.len().saturating_sub(32)..].to_vec();
                    add_forms(&mut forms, &format!("{name}, its bytes"), &key);
                }
            }
        }
        let mut begins = vec![false; 1 << 16];
        for (_, form) in &forms {
            begins[pair(form)] = true;
        }
        Self {
            forms: forms.into_iter().collect(),
            begins,
        }
    }

    /// The forms found in `bytes`.
    pub fn find(&self, bytes: &[u8]) -> Vec<&str> {
        let mut found = Vec::new();
        for at in 0..bytes.len().saturating_sub(1) {
            let rest = &bytes[at..];
            if self.begins[pair(rest)] {
                let here = self.forms.iter().filter(|(_, form)| rest.starts_with(form));
                found.extend(here.map(|(name, _)| name.as_str()));
            }
        }
        found
    }

    /// What is found in `text`, told by `place`.
    pub fn in_text(&self, place: &str, text: &[u8]) -> Vec<String> {
        let found = self.find(text);
        found
            .iter()
            .map(|form| format!("{place}: {form}"))
            .collect()
    }

    /// What is found in the names and the bytes of all files below `dir`, but for those that
    /// `may_hold` it.
    pub fn below(&self, dir: &Path, may_hold: &dyn Fn(&Path) -> bool) -> Vec<String> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            found.extend(self.in_text("a file's name", path.as_os_str().as_encoded_bytes()));
            if may_hold(&path) {
                continue;
            }
            match path.symlink_metadata().unwrap().file_type() {
                t if t.is_dir() => found.extend(self.below(&path, may_hold)),
                t if t.is_file() => {
                    let bytes = std::fs::read(&path).unwrap();
                    found.extend(self.in_text(&path.display().to_string(), &bytes));
                }
                _ => {}
            }
        }
        found
    }
}

fn add_forms(forms: &mut BTreeSet<(String, Vec<u8>)>, name: &str, value: &[u8]) {
    assert!(value.len() >= 8, "{name} is too short to be looked for");
    let mut add = |form: &str, bytes: Vec<u8>| forms.insert((format!("{name} ({form})"), bytes));
    add("as it is", value.to_vec());
    if let Ok(text) = std::str::from_utf8(value) {
        let json = serde_json::to_string(text).unwrap();
        add("JSON", json.as_bytes()[1..json.len() - 1].to_vec());
        add("Debug", text.escape_debug().to_string().into_bytes());
    }
    // A list of numbers is how Debug prints bytes.
    let numbers: Vec<_> = value.iter().map(u8::to_string).collect();
    add("numbers", numbers.join(", ").into_bytes());
    add("hex", HEXLOWER.encode(value).into_bytes());
    add("HEX", HEXUPPER.encode(value).into_bytes());
    for (form, digits) in [("percent", HEXLOWER), ("PERCENT", HEXUPPER)] {
        let encoded: String = value
            .iter()
            .map(|b| match b {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    char::from(*b).to_string()
                }
                other => format!("%{}", digits.encode(&[*other])),
            })
            .collect();
        add(form, encoded.into_bytes());
    }
    for offset in 0..3 {
        for (form, alphabet) in [("base64", BASE64), ("base64url", BASE64URL)] {
            let padded = [&[0; 2][..offset], value].concat();
            let whole = alphabet.encode(&padded[..padded.len() / 3 * 3]);
            // The first characters mix the value with what stands before it.
            let pure = whole.as_bytes()[(offset * 8).div_ceil(6)..].to_vec();
            add(&format!("{form} at {offset}"), pure);
        }
    }
}

fn pair(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

#[test]
fn every_form_of_a_value_is_found() {
    let value = "p@ss/word+with \"quotes\" and\nlines";
    let leaks = Leaks::of(&[("v", value)]);
    assert!(leaks.find(b"nothing of the kind p@ss/word").is_empty());
    for before in ["", "a", "ab", "abc", "user:"] {
        let text = format!("{before}{value}:after");
        for encoded in [
            text.clone(),
            BASE64.encode(text.as_bytes()),
            BASE64URL.encode(text.as_bytes()),
            HEXLOWER.encode(text.as_bytes()),
            HEXUPPER.encode(text.as_bytes()),
            serde_json::json!({ "x": text }).to_string(),
            format!("{text:?}"),
            format!("{:?}", text.as_bytes()),
            text.replace('@', "%40")
                .replace('/', "%2F")
                .replace('+', "%2B")
                .replace(' ', "%20")
                .replace('"', "%22")
                .replace('\n', "%0A"),
        ] {
            assert!(!leaks.find(encoded.as_bytes()).is_empty(), "{encoded}");
        }
    }
}
