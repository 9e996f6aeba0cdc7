//! Schedules that are edited while a rotation is under way: who is added, renamed or changed has the
//! value before any wait that relies on it, and the log never says that a removed consumer has it.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::support::keyrota::Keyrota;

const HEAD: &str = r#"environment = "development"
[providers.local]
kind = "file"
path = ".keyrota/development.age"
"#;

const TOKEN: &str = "[secrets.it]\nkind = \"random\"\nrefresh = \"1h\"\nenv = \"IT\"\n";

const JWT: &str = r#"[secrets.it]
kind = "jwt"
algorithm = "EdDSA"
token_ttl = "1h"
refresh = "1h"
settle = "61m"
env = "IT"
env_fallback = "IT_OLD"
"#;

/// A consumer that writes `file`.
fn file(file: &str) -> String {
    format!("[[secrets.it.consumers]]\nkind = \"file\"\npath = \"{file}\"\nformat = \"dotenv\"\n")
}

struct Bed {
    keyrota: Keyrota,
    secret: &'static str,
}

impl Bed {
    fn new(secret: &'static str, consumers: &[String]) -> Self {
        let keyrota = Keyrota::in_temp();
        for dir in ["out", "other"] {
            std::fs::create_dir(keyrota.path(dir)).unwrap();
        }
        let bed = Self { keyrota, secret };
        bed.edit(consumers);
        bed
    }

    fn edit(&self, consumers: &[String]) {
        let text = format!("{HEAD}{}{}", self.secret, consumers.concat());
        self.keyrota.write("schedules/development.toml", &text);
    }

    /// A consumer that runs these lines of shell in the bed's directory.
    fn program(&self, lines: &str, value: bool) -> String {
        let (program, dir) = (self.keyrota.path("program"), self.keyrota.dir());
        let text = format!("#!/bin/sh\ncd {}\n{lines}\n", dir.display());
        self.keyrota.write("program", &text);
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        format!(
            "[[secrets.it.consumers]]\nkind = \"command\"\nargv = [\"{}\"]\nvalue = {value}\n",
            program.display()
        )
    }

    /// A consumer that passes every preflight, and then makes the directory `out` unusable.
    fn breaker(&self) -> String {
        self.program("[ ! -d out ] || { rm -r out; touch out; }", false)
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.keyrota.path(file)).unwrap_or_default()
    }

    /// What `run` hands to a program.
    fn variable(&self, name: &str) -> String {
        let script = format!("printf %s \"${name}\"");
        let ran = self.keyrota.run(&["run", "--", "/bin/sh", "-c", &script]);
        ran.code(0).stdout
    }

    /// What the rotation waits for, and until when.
    fn wait(&self) -> (String, String) {
        let status = self.keyrota.run(&["status", "--json"]).json();
        let rotation = &status["secrets"][0]["rotation"];
        let text = |key: &str| rotation[key].as_str().unwrap_or_default().to_owned();
        (text("phase"), text("until"))
    }

    /// What the log says of the consumer whose key ends so, beside intents.
    fn log(&self, consumer: &str) -> Vec<String> {
        let all = self
            .keyrota
            .run(&["audit", "list", "--json"])
            .code(0)
            .json();
        let about = |e: &&Value| {
            let key = e["detail"]["consumer"].as_str();
            key.is_some_and(|key| key.ends_with(consumer)) && e["phase"] != "intent"
        };
        let word = |e: &Value| {
            let said = e["detail"]["change"].as_str().or(e["outcome"].as_str());
            said.unwrap().to_owned()
        };
        let entries = all["entries"].as_array().unwrap();
        entries.iter().filter(about).map(word).collect()
    }
}

#[test]
fn a_renamed_file_has_the_new_value_before_the_grace_begins() {
    let bed = Bed::new(TOKEN, &[file("out/a.env")]);
    bed.keyrota.run(&["rotate", "it"]).code(0);
    bed.edit(&[bed.breaker(), file("out/a.env")]);
    bed.keyrota.run(&["rotate", "it"]).code(22);
    let new = bed.variable("IT");
    bed.edit(&[file("other/b.env")]);
    bed.keyrota.run(&["resume", "it"]).code(0);
    assert_eq!(bed.read("other/b.env"), format!("IT={new}\n"));
    assert_eq!(bed.wait().0, "grace");
    let removed = ["ok", "denied", "removed from the schedule"];
    assert_eq!(bed.log("out/a.env"), removed);
    assert_eq!(bed.log("other/b.env"), ["added to the schedule", "ok"]);
}

#[test]
fn a_renamed_file_has_a_first_value_too() {
    let bed = Bed::new(TOKEN, &[]);
    bed.edit(&[bed.breaker(), file("out/a.env")]);
    bed.keyrota.run(&["rotate", "it"]).code(22);
    bed.edit(&[file("other/b.env")]);
    bed.keyrota.run(&["resume", "it"]).code(0);
    assert_eq!(
        bed.read("other/b.env"),
        format!("IT={}\n", bed.variable("IT"))
    );
    assert_eq!(bed.wait().0, "", "the rotation is over");
    assert_eq!(
        bed.log("out/a.env"),
        ["denied", "removed from the schedule"]
    );
}

#[test]
fn without_the_file_that_failed_nothing_is_waited_for() {
    let bed = Bed::new(TOKEN, &[file("out/a.env"), file("other/b.env")]);
    bed.keyrota.run(&["rotate", "it"]).code(0);
    bed.edit(&[bed.breaker(), file("out/a.env"), file("other/b.env")]);
    bed.keyrota.run(&["rotate", "it"]).code(22);
    bed.edit(&[file("other/b.env")]);
    bed.keyrota.run(&["resume", "it"]).code(0);
    assert_eq!(bed.wait().0, "grace");
    assert_eq!(
        bed.log("out/a.env").last().unwrap(),
        "removed from the schedule"
    );
}

#[test]
fn a_file_that_is_added_in_a_wait_is_written_and_the_wait_begins_again() {
    for (secret, phase, variable, code) in
        [(TOKEN, "grace", "IT", 0), (JWT, "settle", "IT_OLD", 10)]
    {
        let bed = Bed::new(secret, &[file("out/a.env")]);
        bed.keyrota.run(&["rotate", "it"]).code(0);
        bed.keyrota.run(&["rotate", "it"]).code(code);
        let before = bed.wait();
        assert_eq!(before.0, phase);
        std::thread::sleep(std::time::Duration::from_millis(1_100));
        bed.edit(&[file("out/a.env"), file("other/b.env")]);
        bed.keyrota.run(&["rotate", "--due"]).code(code);
        let after = bed.wait();
        assert!(
            after.0 == phase && after.1 > before.1,
            "{before:?} {after:?}"
        );
        assert!(!bed.variable(variable).is_empty());
        let line = format!("{variable}=");
        assert!(bed.read("other/b.env").contains(&line), "{phase}");
        assert_eq!(bed.log("out/a.env").last().unwrap(), "ok");
    }
}

#[test]
fn a_consumer_that_is_changed_in_a_grace_is_notified_as_the_schedule_now_says() {
    let raw = |text: String| text.replace("\"dotenv\"", "\"raw\"");
    let bed = Bed::new(TOKEN, &[]);
    let program = |value: bool| bed.program("cat >> calls; echo >> calls", value);
    bed.edit(&[file("out/a.env"), program(false)]);
    bed.keyrota.run(&["rotate", "it"]).code(0);
    bed.keyrota.run(&["rotate", "it"]).code(0);
    let value = bed.variable("IT");
    assert!(!bed.read("calls").contains(&value));
    bed.edit(&[file("out/a.env"), program(true)]);
    bed.keyrota.run(&["rotate", "--due"]).code(0);
    assert!(bed.read("calls").contains(&value));
    bed.edit(&[raw(file("out/a.env")), program(true)]);
    bed.keyrota.run(&["rotate", "--due"]).code(0);
    assert_eq!(bed.read("out/a.env").trim_end(), value);
    assert_eq!(bed.wait().0, "grace");
    let calls = bed.read("calls").lines().count();
    // The same schedule once more is no edit.
    bed.keyrota.run(&["rotate", "--due"]).code(0);
    assert_eq!(bed.read("calls").lines().count(), calls);
}
