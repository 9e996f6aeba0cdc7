//! README.md's way to a first rotation of a database, typed in production: keys made by a person,
//! the printed SQL, values on standard input.

use std::process::{Command, Stdio};

use super::bed::{ADMIN, Bed, FIRST};
use crate::support::keyrota::Ran;
use crate::tidy::tree::root;

#[test]
fn what_the_readme_types() {
    for server in super::shared() {
        let bed = Bed::two(server);
        in_production(&bed);
        let page = std::fs::read_to_string(root().join("README.md")).unwrap();
        let (_, section) = page.split_once("## Rotate a database's password").unwrap();
        let lines = section.split("\n## ").next().unwrap().lines();
        let typed = lines.filter_map(|line| line.strip_prefix("$ keyrota "));
        let mut count = 0;
        for line in typed {
            let command = line.split('#').next().unwrap();
            let args: Vec<_> = command.split_whitespace().collect();
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
