//! What the unit and its page promise and one process can show: what systemd is told by the daemon, and what
//! the rights of a drop-in are good for.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use keyrota_contract::testing::root_may;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::keyrota::Keyrota;

/// A key that settles for a second; then a program is told.
const SCHEDULE: &str = r#"
environment = "development"
[defaults]
refresh = "0s"
skew = "0s"
[providers.local]
kind = "file"
path = ".keyrota/development.age"
[secrets.session]
kind = "jwt"
algorithm = "EdDSA"
token_ttl = "1h"
jwks_max_age = "1s"
[[secrets.session.consumers]]
kind = "command"
argv = ["DIR/tell"]
"#;

/// Three times the watchdog, once the file `slow` is there.
const TELL: &str = "#!/bin/sh
cd DIR
[ ! -e slow ] || sleep 3
echo told >> told
";

#[test]
fn a_program_that_takes_longer_than_the_watchdog_is_waited_for_also_while_stopping() {
    let keyrota = Keyrota::in_temp();
    let here = |text: &str| text.replace("DIR", keyrota.dir().to_str().unwrap());
    keyrota.write("schedules/development.toml", &here(SCHEDULE));
    keyrota.write("tell", &here(TELL));
    let program = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(keyrota.path("tell"), program).unwrap();
    keyrota.run(&["init"]).code(0);
    keyrota.run(&["rotate", "session"]).code(0);
    keyrota.run(&["rotate", "session"]).code(10);
    let told = || std::fs::read_to_string(keyrota.path("told")).unwrap();
    let before = told().len();
    keyrota.write("slow", "");
    std::thread::sleep(Duration::from_secs(1));

    let socket = UnixDatagram::bind(keyrota.path("notify")).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let daemon = keyrota
        .command(&["--env", "development", "daemon"])
        .env("NOTIFY_SOCKET", keyrota.path("notify"))
        .env("WATCHDOG_USEC", "1000000")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut daemon = Ended(daemon);
    let hear = || {
        let mut bytes = [0; 4096];
        let n = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..n].to_vec()).unwrap()
    };

    let mut longest = Duration::ZERO;
    let mut beats = 0;
    let mut last = Instant::now();
    loop {
        let text = hear();
        if text.contains("READY=1") {
            break;
        }
        assert!(text.contains("EXTEND_TIMEOUT_USEC="), "{text}");
        if text.contains("WATCHDOG=1") {
            if beats > 0 {
                longest = longest.max(last.elapsed());
            }
            last = Instant::now();
            beats += 1;
        }
        if beats == 2 {
            kill_process(Pid::from_child(&daemon.0), Signal::TERM).unwrap();
        }
    }
    assert!(beats >= 6, "{beats} beats in three seconds");
    assert!(longest < Duration::from_secs(1), "{longest:?} of silence");
    assert_eq!(daemon.0.wait().unwrap().code(), Some(0));
    assert_eq!(told().len(), before + "told\n".len(), "it was cut off");
}

/// A token for a file that is another user's.
const FOR_ANOTHER: &str = r#"
environment = "development"
[providers.local]
kind = "file"
path = ".keyrota/development.age"
[secrets.token]
kind = "random"
length = 32
alphabet = "a-z0-9"
refresh = "1s"
env = "TOKEN"
[[secrets.token.consumers]]
kind = "file"
path = "app.env"
format = "systemd"
owner = "65533:65533"
"#;

#[test]
fn the_capabilities_of_the_drop_in_write_files_of_other_owners() {
    if !root_may("start a program as another user") {
        return;
    }
    let rotate = |capabilities: &str| {
        let keyrota = Keyrota::in_temp();
        keyrota.write("schedules/development.toml", FOR_ANOTHER);
        chown(keyrota.dir(), Some(65534), Some(65534)).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        let rights = format!("-all{capabilities}");
        command.args([
            &format!("--inh-caps={rights}"),
            &format!("--ambient-caps={rights}"),
        ]);
        let plain = keyrota.command(&["--env", "development", "rotate", "--all"]);
        let ran = command
            .arg(plain.get_program())
            .args(plain.get_args())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .current_dir(keyrota.dir())
            .output()
            .unwrap();
        (ran, keyrota)
    };
    let (ran, keyrota) = rotate(",+chown,+fowner,+dac_override");
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    let written = std::fs::metadata(keyrota.path("app.env")).unwrap();
    assert_eq!((written.uid(), written.gid()), (65533, 65533));
    assert_eq!(written.mode() & 0o7777, 0o600);
    // To reach the program at all, wherever it stands.
    let (ran, keyrota) = rotate(",+dac_override");
    assert_eq!(ran.status.code(), Some(20), "{ran:?}");
    assert!(!keyrota.path("app.env").exists());
}

/// Not left behind by a test that fails.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
