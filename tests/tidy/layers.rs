//! Who may use what.

use super::tree::{Source, code, files, root};

/// Within some files, some words never stand in the code. (std's Instant is clippy's to find: tokio's,
/// which measures a wait, reads the same.)
struct Rule {
    within: &'static [&'static str],
    except: &'static [&'static str],
    never: &'static [&'static str],
    why: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        within: &["src", "providers", "gate"],
        except: &["src/world"],
        never: &[
            "SystemTime::now",
            "Timestamp::now",
            "Zoned::now",
            "SystemRandom",
            "rand::fill",
            "getrandom",
            "now_v7",
            "new_v4",
        ],
        why: "time and randomness are arguments; src/world alone asks for them",
    },
    Rule {
        within: &[
            "src/rotation",
            "src/turns",
            "src/engine/exposure.rs",
            "gate/src",
        ],
        except: &["src/rotation/tests"],
        never: &[
            "async ",
            "tokio",
            "sqlx",
            "fs::",
            "env::",
            "net::Tcp",
            "process::",
            "thread::",
            "world::",
            "println!",
        ],
        why: "decisions are pure: no input, no output, no waiting",
    },
    Rule {
        within: &["src/config"],
        except: &[
            "src/config/input.rs",
            "src/config/load.rs",
            "src/config/source.rs",
            "src/config/tests",
        ],
        never: &["tokio", "fs::", "File::", "env::", "net::Tcp", "process::"],
        why: "what a file says is decoded without input or output",
    },
    Rule {
        within: &["src"],
        except: &["src/stores"],
        never: &["keyrota_aws", "keyrota_rest"],
        why: "a kind of provider speaks for itself, in src/stores",
    },
    Rule {
        within: &["src"],
        except: &["src/engine"],
        never: &[".promote(", ".destroy(", ".describe("],
        why: "only the engine calls a provider",
    },
    Rule {
        within: &["src"],
        except: &[
            "src/engine",
            "src/rotators",
            "src/consumers",
            "src/rotation/tests",
        ],
        never: &[".install(", ".probe(", ".quiesce(", ".refuse(", ".deliver("],
        why: "only the engine calls rotators and consumers",
    },
    Rule {
        within: &["src", "gate/src", "providers"],
        except: &[
            "src/output.rs",
            "src/rotation/tests",
            "src/consumers/envfile/tests.rs",
            "src/world/tests.rs",
            "providers/contract/src/testing",
            "providers/local/src/atomic/tests.rs",
            "providers/local/src/file/tests.rs",
        ],
        never: &[
            "println!",
            "print!(",
            "io::stdout",
            "io::stderr",
            "error.print()",
        ],
        why: "what people read leaves through src/output.rs, which escapes it",
    },
    Rule {
        within: &["src"],
        except: &["src/wire"],
        never: &["VerifyFull", "ssl_root_cert", ".ssl_ca("],
        why: "sqlx reaches a server over src/wire only, which watches it",
    },
    Rule {
        within: &["src"],
        except: &["src/wire"],
        never: &[
            "PgConnection",
            "MySqlConnection",
            "PgPool",
            "MySqlPool",
            "PgRow",
            "MySqlRow",
            "options.connect(",
        ],
        why: "a server can make its driver panic; only src/wire runs it, and catches that",
    },
    Rule {
        within: &["src"],
        // SQLite is no server.
        except: &["src/wire", "src/state/db.rs"],
        never: &[".fetch_all(", ".fetch_one(", ".execute("],
        why: "a server can make its driver panic; only src/wire runs it, and catches that",
    },
    Rule {
        within: &["src", "gate", "providers"],
        except: &["providers/aws"],
        never: &["aws_sdk_", "aws_config", "aws_smithy"],
        why: "the AWS SDKs are named in one crate only",
    },
];

#[test]
fn layers_are_kept() {
    let files = files();
    for rule in RULES {
        for place in rule.within {
            assert!(
                root().join(place).exists(),
                "{place} has moved, its rule has not"
            );
        }
    }
    let wrong: Vec<_> = RULES.iter().flat_map(|rule| broken(rule, &files)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn broken(rule: &Rule, files: &[Source]) -> Vec<String> {
    let covered = |f: &&Source| {
        let is_in = |places: &[&str]| places.iter().any(|place| f.is_in(place));
        f.is_rust() && is_in(rule.within) && !is_in(rule.except)
    };
    let mut wrong = Vec::new();
    for file in files.iter().filter(covered) {
        for (at, line) in file.lines() {
            for word in rule.never.iter().filter(|word| code(line).contains(*word)) {
                wrong.push(format!("{at}: {word}: {}", rule.why));
            }
        }
    }
    wrong
}

/// What a crate may depend on; crates that are not listed (`providers/*`) have the last entry's rule.
const MAY_USE: &[(&str, Depends)] = &[
    ("src/rotation", Depends::OnOnly(&["serde"])),
    (
        "gate",
        Depends::OnOnly(&[
            "data-encoding",
            "regex-lite",
            "serde",
            "serde_json",
            "zeroize",
        ]),
    ),
    ("providers/contract", Depends::OfOursOnly(&[])),
    ("providers/", Depends::OfOursOnly(&["keyrota-contract"])),
];

#[derive(Clone, Copy)]
enum Depends {
    OnOnly(&'static [&'static str]),
    OfOursOnly(&'static [&'static str]),
}

#[test]
fn crates_depend_on_what_lies_below() {
    let mut crates = 0;
    for file in files() {
        let Some(folder) = file.path.strip_suffix("/Cargo.toml") else {
            continue;
        };
        crates += 1;
        let rule = MAY_USE.iter().find(|(place, _)| folder.starts_with(place));
        let (_, rule) = rule.unwrap_or_else(|| panic!("{folder} has no rule"));
        let manifest: toml::Table = file.text.parse().unwrap();
        assert!(
            !manifest.contains_key("target"),
            "{folder}: the same everywhere"
        );
        let dependencies = manifest["dependencies"].as_table().unwrap();
        for name in dependencies.keys() {
            let allowed = match rule {
                Depends::OnOnly(names) => names.contains(&name.as_str()),
                Depends::OfOursOnly(names) => {
                    !name.starts_with("keyrota") || names.contains(&name.as_str())
                }
            };
            assert!(allowed, "{folder} may not depend on {name}");
        }
    }
    assert!(crates >= 4, "the crates have moved");
}
