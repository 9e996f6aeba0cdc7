//! The guides' way to a first rotation of a database, typed in production: keys made by a person,
//! the printed SQL, values on standard input.

use std::process::{Command, Stdio};

use super::bed::{ADMIN, Bed, FIRST};
use crate::support::keyrota::Ran;
use crate::tidy::tree::root;

#[test]
fn what_the_guides_type() {
    for server in super::shared() {
        let bed = Bed::two(server);
        in_production(&bed);
        let typed = typed("postgres");
        assert_eq!(typed, self::typed("mysql"), "both pages type the same");
        let mut count = 0;
        for line in &typed {
            let args: Vec<_> = line.split_whitespace().collect();
            let input = match args[..] {
                [.., "import", "database-admin", "--stdin"] => bed.url("k", ADMIN),
                [.., "import", "database-url", "--stdin"] => bed.url("a", FIRST),
                _ => String::new(),
            };
            let ran = run(&bed, &args, &input).code(0);
            if args.contains(&"--setup") {
                assert!(ran.stdout.contains("CREATE"), "{ran:?}"); // it ran when the bed was made
            }
            count += 1;
        }
        assert_eq!(count, 4, "the page changed, this test not");
        let status = run(&bed, &["--env", "production", "status"], "").code(0);
        assert!(status.stdout.contains("grace"), "{status:?}");
        run(&bed, &["--env", "production", "audit", "verify"], "").code(0);
    }
}

/// What a guide types, without its comments.
fn typed(guide: &str) -> Vec<String> {
    let page = root().join(format!("docs/guides/{guide}.md"));
    let page = std::fs::read_to_string(page).unwrap();
    let lines = page
        .lines()
        .filter_map(|line| line.strip_prefix("$ keyrota "));
    let commands = lines.map(|line| line.split('#').next().unwrap().trim().to_owned());
    commands.collect()
}

/// Two keys, as README.md makes them, and the files that name them.
fn in_production(bed: &Bed) {
    let keyrota = &bed.keyrota;
    let script = "umask 077 && openssl rand 32 > seed && age-keygen -o age-identity";
    let made = Command::new("sh")
        .args(["-c", script])
        .current_dir(keyrota.dir())
        .stderr(Stdio::null())
        .status();
    assert!(made.unwrap().success());
    let recipient = Command::new("age-keygen")
        .args(["-y", "age-identity"])
        .current_dir(keyrota.dir())
        .output();
    let recipient = String::from_utf8(recipient.unwrap().stdout).unwrap();
    let dir = keyrota.dir().display();
    keyrota.write(
        "keyrota.toml",
        &format!("schedules = \"schedules\"\nkeys = {{ file = \"{dir}/seed\" }}\n"),
    );
    let development = std::fs::read_to_string(keyrota.path("schedules/development.toml")).unwrap();
    let production = development
        .replace("\"development\"", "\"production\"")
        .replace(
            "path = \".keyrota/development.age\"",
            &format!(
                "path = \"production.age\"\nrecipients = [\"{}\"]\nidentity = {{ file = \"{dir}/age-identity\" }}",
                recipient.trim()
            ),
        )
        .replace("[secrets.admin]", "[secrets.database-admin]")
        .replace("[secrets.database]", "[secrets.database-url]")
        .replace("admin = \"admin\"", "admin = \"database-admin\"");
    keyrota.write("schedules/production.toml", &production);
    std::fs::remove_file(keyrota.path("schedules/development.toml")).unwrap();
}

fn run(bed: &Bed, args: &[&str], input: &str) -> Ran {
    let mut command = bed.keyrota.command(args);
    command
        .env("KEYROTA_CONFIG", "keyrota.toml")
        .env("STATE_DIRECTORY", bed.keyrota.path("state"));
    Ran::fed(&mut command, input)
}
