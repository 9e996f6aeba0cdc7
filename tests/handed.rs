//! What people and platforms hand in: pipes, terminals, mounted files.

use std::process::Command;

use keyrota_contract::testing::root_may;

use crate::support::keyrota::{Keyrota, Ran};

const SCHEDULE: &str = r#"environment = "development"
[defaults]
refresh = "1s"
skew = "0s"
[providers.local]
kind = "file"
path = "kept/development.age"
[secrets.token]
kind = "random"
env = "TOKEN"
[secrets.partner]
kind = "external"
env = "PARTNER"
"#;

fn with(schedule: &str) -> Keyrota {
    let keyrota = Keyrota::in_temp();
    keyrota.write("schedules/development.toml", schedule);
    std::fs::create_dir(keyrota.path("kept")).unwrap();
    keyrota
}

/// A line of a shell, with the program as `$0`.
fn shell(keyrota: &Keyrota, shell: &[&str], script: &str) -> Ran {
    let mut command = keyrota.command(&[]);
    let program = command.get_program().to_owned();
    let variables: Vec<_> = command
        .get_envs()
        .map(|(k, v)| (k.to_owned(), v.map(ToOwned::to_owned)))
        .collect();
    command = Command::new(shell[0]);
    for (name, value) in variables {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
        .args(&shell[1..])
        .args(["-c", script])
        .arg(program)
        .current_dir(keyrota.dir());
    Ran::of(command.output().unwrap())
}

/// In a namespace of mounts of its own.
fn mounted(keyrota: &Keyrota, script: &str) -> Ran {
    let own: &[&str] = match rustix::process::geteuid().is_root() {
        true => &["unshare", "--mount", "bash"],
        false => &["unshare", "--user", "--map-root-user", "--mount", "bash"],
    };
    shell(keyrota, own, &format!("set -e\n{script}"))
}

/// Each command that reads variables from a file takes every stream, once.
#[test]
fn variables_come_from_any_stream() {
    for (verb, done) in [("check", 0), ("import", 0)] {
        for (what, script) in [
            ("a substitution", "$0 VERB --env-file <(cat app.env)"),
            ("a pipe", "cat app.env | $0 VERB --env-file /dev/stdin"),
            ("a descriptor", "$0 VERB --env-file /dev/fd/3 3< app.env"),
            (
                "its own input",
                "$0 VERB --env-file /proc/self/fd/0 < app.env",
            ),
            (
                "a named pipe",
                "mkfifo p; (sleep 0.1; cat app.env > p) & $0 VERB --env-file p",
            ),
            ("a link", "ln -s app.env l; $0 VERB --env-file l"),
        ] {
            let keyrota = with(SCHEDULE);
            keyrota.write(
                "app.env",
                "TOKEN=kW8vq2Lx0pZr41nTkW8vq2Lx0pZr41nT\nPARTNER=zQ4v8kW8vq2Lx0pZr\n",
            );
            let ran = shell(&keyrota, &["bash"], &script.replace("VERB", verb));
            assert_eq!(ran.code, done, "{verb}, {what}: {ran:?}");
            assert_eq!(
                ran.stdout.matches("imported").count(),
                if verb == "import" { 2 } else { 0 }
            );
        }
        let keyrota = with(SCHEDULE);
        for (script, why) in [
            ("$0 VERB --env-file <(cat /dev/zero)", "larger than"),
            ("$0 VERB --env-file .", "directory"),
            (
                "printf '\\xff' | $0 VERB --env-file /dev/stdin",
                "/dev/stdin: ",
            ),
        ] {
            let ran = shell(&keyrota, &["bash"], &script.replace("VERB", verb)).code(78);
            assert!(ran.stderr.contains(why), "{script}: {ran:?}");
        }
    }
}

/// A person at a pseudo terminal, in Python: it reads the screen up to the prompt, acts, and says in JSON
/// what was on the screen, whether the echo was off and is back, and how the program ended.
const PERSON: &str = r#"
import fcntl, json, os, pty, select, signal, subprocess, sys, termios, time
act, typed = sys.argv[1], sys.argv[2].encode().decode("unicode_escape").encode()
screen, terminal = pty.openpty()
def own():
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
echoes = lambda: bool(termios.tcgetattr(terminal)[3] & termios.ECHO)
before = termios.tcgetattr(terminal)
program = subprocess.Popen(sys.argv[3:], stdin=terminal, stdout=terminal, stderr=terminal, preexec_fn=own)
seen = b""
def look(seconds):
    global seen
    ready, _, _ = select.select([screen], [], [], seconds)
    if ready:
        seen += os.read(screen, 65536)
    return bool(ready)
while b"not shown): " not in seen and program.poll() is None:
    look(0.05)
silent = not echoes()
if program.poll() is None:
    if act == "type" or "after" in act:
        os.write(screen, typed)
    if "after" in act:
        look(0.2)
        time.sleep(1)
    if act != "type":
        program.send_signal(getattr(signal, act.split()[0]))
while program.poll() is None:
    look(0.05)
while look(0):
    pass
print(json.dumps({"screen": seen.decode(), "silent": silent, "code": program.returncode,
    "restored": termios.tcgetattr(terminal) == before}))
"#;

fn person(keyrota: &Keyrota, act: &str, typed: &str, args: &[&str]) -> serde_json::Value {
    let own = keyrota.command(args);
    let mut command = Command::new("python3");
    command
        .args(["-c", PERSON, act, typed])
        .arg(own.get_program())
        .args(args)
        .current_dir(keyrota.dir());
    for (name, value) in own.get_envs() {
        assert!(value.is_none());
        command.env_remove(name);
    }
    Ran::of(command.output().unwrap()).code(0).json()
}

/// What a command that asks nothing shows on a terminal.
pub fn on_a_terminal(keyrota: &Keyrota, args: &[&str]) -> String {
    person(keyrota, "look", "", args)["screen"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn a_terminal_is_asked_without_an_echo() {
    const VALUE: &str = "zQ4v8kW8vq2Lx0pZr";
    let import: &[&str] = &["import", "partner", "--stdin"];
    let rotate: &[&str] = &["rotate", "partner", "--value-stdin", "--wait"];
    let line = format!("{VALUE}\\n");
    let long = format!("{}\\n", "x".repeat(4095));
    let (head, _) = SCHEDULE.split_once("[secrets.token]").unwrap();
    let schedule = format!(
        "{head}[secrets.partner]\nkind = \"signing-key\"\norigin = \"imported\"\nverifiers = \"self\"\n\
         signature_ttl = \"0s\"\nenv = \"PARTNER\"\n"
    );
    for (args, act, typed, code) in [
        (import, "type", line.as_str(), 0),
        (import, "type", "zQ4v8typo\\x15zQ4v8kW8vq2Lx0pZr\\n", 0),
        (rotate, "type", line.as_str(), 0),
        (import, "type", "\\n", 78),
        (import, "type", "\\x04", 78),
        (import, "type", long.as_str(), 78),
        (import, "type", "zQ4v8\\x1a\\x03", 130),
        (rotate, "type", "\\x1c", 131),
        (import, "SIGTERM", "", 143),
        (rotate, "SIGHUP", "", 129),
        (rotate, "SIGINT", "", 130),
    ] {
        let keyrota = with(&schedule);
        if args == rotate {
            keyrota.run_with_stdin(import, "aY3u7kW8vq2Lx0pZr").code(0);
        }
        let said = person(&keyrota, act, typed, args);
        let screen = said["screen"].as_str().unwrap();
        assert_eq!(said["code"], code, "{args:?} {act} {typed:?}: {said}");
        assert!(screen.contains("value of partner"), "{screen}");
        assert_eq!(said["silent"], true, "{act} {typed:?}: {said}");
        assert_eq!(said["restored"], true, "{act} {typed:?}: {said}");
        assert!(
            !screen.contains("zQ4v8") && !screen.contains("xxx"),
            "{screen}"
        );
        if code == 0 {
            let got = keyrota.run(&["run", "--", "printenv", "PARTNER"]);
            assert_eq!(got.stdout, format!("{VALUE}\n"), "{got:?}");
        }
    }
    // Variables are not typed.
    for args in [
        ["import", "--env-file", "/dev/stdin"],
        ["check", "--env-file", "/dev/tty"],
    ] {
        let said = person(&with(SCHEDULE), "type", "", &args);
        let screen = said["screen"].as_str().unwrap();
        assert!(screen.contains("this is a terminal"), "{said}");
        assert_eq!(said["code"], 78);
    }
}

/// The store takes the connection and never answers.
#[test]
fn signals_end_the_program_after_the_answer_too() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let schedule = SCHEDULE.replace(
        "kind = \"file\"\npath = \"kept/development.age\"",
        &format!(
            "kind = \"vault\"\naddress = \"https://127.0.0.1:{port}\"\nmount = \"kv\"\nauth = {{ method = \"token\", token = {{ file = \"token\" }} }}"
        ),
    );
    assert_ne!(schedule, SCHEDULE);
    for (signal, code) in [
        ("SIGINT", 130),
        ("SIGTERM", 143),
        ("SIGHUP", 129),
        ("SIGQUIT", 131),
    ] {
        let keyrota = with(&schedule);
        keyrota.write("token", "hvs.token");
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(keyrota.path("token"), private).unwrap();
        let import = ["import", "partner", "--stdin"];
        let said = person(
            &keyrota,
            &format!("{signal} after"),
            "zQ4v8kW8vq2Lx0pZr\\n",
            &import,
        );
        assert_eq!(said["code"], code, "{signal}: {said}");
        let screen = said["screen"].as_str().unwrap();
        assert!(
            screen.contains("interrupted") && !screen.contains("zQ4v8"),
            "{said}"
        );
    }
}

/// What stops a file from being replaced is known before anything is made; nothing changes meanwhile.
#[test]
fn a_file_that_cannot_be_replaced_is_found_before_a_value_is_made() {
    let consumer =
        "[[secrets.token.consumers]]\nkind = \"file\"\nformat = \"raw\"\npath = \"out/token\"\n";
    let jwks = "[secrets.session]\nkind = \"jwt\"\nalgorithm = \"EdDSA\"\ntoken_ttl = \"1s\"\njwks_max_age = \"1s\"\nenv = \"SESSION\"\n\
        [[secrets.session.consumers]]\nkind = \"jwks\"\npath = \"out/token\"\n";
    let document = "kept/development.age";
    for (secret, more, file) in [
        ("token", consumer, "out/token"),
        ("session", jwks, "out/token"),
        ("token", "", document),
    ] {
        let keyrota = with(&format!("{SCHEDULE}{more}"));
        keyrota.write("out/token", "{\"keys\":[]}");
        keyrota.run(&["import", "partner", "--stdin"]).code(78);
        if file == document {
            keyrota.run(&["rotate", "token", "--wait"]).code(0);
        }
        let before = std::fs::read(keyrota.path(file)).unwrap();
        for (what, script, why) in [
            ("a mounted file", "mount --bind FILE FILE", "mounted"),
            (
                "an immutable file",
                "chattr +i FILE; trap 'chattr -i FILE' EXIT",
                "lsattr",
            ),
            (
                "an append-only file",
                "chattr +a FILE; trap 'chattr -a FILE' EXIT",
                "lsattr",
            ),
            (
                "an immutable directory",
                "chattr +i DIR; trap 'chattr -i DIR' EXIT",
                "lsattr",
            ),
            (
                "a read-only mount",
                "mount --bind DIR DIR; mount -o remount,bind,ro DIR",
                "read-only",
            ),
        ] {
            if script.contains("chattr") && !root_may("set flags of files") {
                continue;
            }
            let dir = file.split('/').next().unwrap();
            let script = script.replace("FILE", file).replace("DIR", dir);
            let ran = mounted(&keyrota, &format!("{script}\n$0 rotate {secret} --dry-run"));
            assert_ne!(ran.code, 0, "{what} for {file}: {ran:?}");
            assert!(
                format!("{}{}", ran.stdout, ran.stderr).contains(why),
                "{what} for {file}: {ran:?}"
            );
        }
        keyrota.run(&["rotate", secret, "--dry-run"]).code(0);
        assert_eq!(std::fs::read(keyrota.path(file)).unwrap(), before);
        let left: Vec<_> = std::fs::read_dir(keyrota.path(file).parent().unwrap())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".tmp"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// A single file is mounted in a directory where keyrota cannot make its lock.
#[test]
fn a_lock_that_cannot_be_made_is_found_before_a_value_is_made() {
    let consumer = "[[secrets.token.consumers]]\nkind = \"file\"\nformat = \"raw\"\npath = \"out/token\"\nwrite = \"in-place\"\n";
    let keyrota = with(&format!("{SCHEDULE}{consumer}"));
    keyrota.write("out/token", "old");
    keyrota.write("real", "old");
    let mounts = "mount --bind out out; mount --bind real out/token; mount -o remount,bind,ro out";
    let ran = mounted(
        &keyrota,
        &format!("{mounts}\necho new > out/token\n$0 rotate token --wait"),
    );
    assert_ne!(ran.code, 0, "{ran:?}");
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains(".NAME.keyrota.lock"), "{ran:?}");
    assert!(
        !keyrota.path("kept/development.age").exists(),
        "nothing was made"
    );
}

#[test]
fn a_mounted_file_is_overwritten_where_the_schedule_says_so() {
    for (format, holds) in [("raw", ""), ("systemd", "TOKEN="), ("json", "TOKEN")] {
        let consumer = format!(
            "[[secrets.token.consumers]]\nkind = \"file\"\nformat = \"{format}\"\npath = \"out/token\"\nwrite = \"in-place\"\n"
        );
        let keyrota = with(&format!("{SCHEDULE}{consumer}"));
        let old = if format == "json" {
            "{\"A\": \"1\"}"
        } else {
            "A=1\n"
        };
        keyrota.write("out/token", old);
        let rotate = "$0 rotate token --wait";
        mounted(
            &keyrota,
            &format!("mount --bind out/token out/token\n{rotate}\n{rotate}"),
        )
        .code(0);
        let current = keyrota.run(&["run", "--", "printenv", "TOKEN"]).stdout;
        let text = std::fs::read_to_string(keyrota.path("out/token")).unwrap();
        assert!(
            text.contains(current.trim_end()) && text.contains(holds),
            "{format}"
        );
        let kept = text.starts_with("A=1\n") || text.contains("\"A\": \"1\"");
        assert_eq!(kept, format != "raw", "{format}");
    }
}

/// What a pod is given: schedules from a ConfigMap, whose root is 0777, and keys from a Secret.
#[test]
fn a_pods_read_only_volumes_are_followed() {
    let keyrota = with(SCHEDULE);
    keyrota.write(
        "keyrota.toml",
        "schedules = \"map\"\nkeys = { file = \"secret/seed\" }\nstate = \"kept/state.db\"\n",
    );
    let pod = "mkdir map secret
        volume() { mount -t tmpfs -o mode=$1 tmpfs $2; mkdir $2/..2026; ln -s ..2026 $2/..data; ln -s ..data/$3 $2/$3; }
        volume 777 map development.toml; cp schedules/development.toml map/..2026
        volume 1777 secret seed; (umask 133; head -c 32 /dev/urandom > secret/..2026/seed)";
    let read_only = "mount -o remount,bind,ro map; mount -o remount,bind,ro secret";
    let plan = "unshare --pid --fork $0 --config keyrota.toml plan";
    mounted(&keyrota, &format!("{pod}\n{read_only}\n{plan}")).code(0);
    let refused = mounted(&keyrota, &format!("rmdir map secret; {pod}\n{plan}")).code(78);
    let map = keyrota.path("map").canonicalize().unwrap();
    let why = format!(
        ": everybody may write to {}; keyrota follows",
        map.display()
    );
    assert!(refused.stderr.contains(&why), "{refused:?}");
}
