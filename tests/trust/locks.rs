//! A lock that another user may take stops keyrota for as long as they like.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use keyrota_contract::testing::root_may;

use crate::support::keyrota::Keyrota;

/// Every consumer that writes files, and a program.
const SCHEDULE: &str = r#"
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
path = "out/app.env"
format = "systemd"
mode = "0640"
[[secrets.token.consumers]]
kind = "file"
path = "out/app.json"
format = "json"
[[secrets.token.consumers]]
kind = "command"
argv = ["/bin/true"]
[secrets.session]
kind = "jwt"
algorithm = "EdDSA"
refresh = "0s"
skew = "0s"
token_ttl = "1s"
jwks_max_age = "1s"
[[secrets.session.consumers]]
kind = "jwks"
path = "out/jwks.json"
"#;

/// Opens all that it may, locks it, says how much that is, and stays.
const HOLD_ALL: &str = r#"
held=0
while IFS= read -r path; do
  { exec {fd}<"$path"; } 2>/dev/null && flock --nonblock "$fd" && held=$((held + 1))
done < <(find "$0" 2>/dev/null)
echo "$held"
exec sleep 600
"#;

#[test]
fn a_user_who_locks_all_that_they_may_open_stops_nothing() {
    if !root_may("start a program as another user") {
        return;
    }
    let keyrota = Keyrota::in_temp();
    keyrota.write("schedules/development.toml", SCHEDULE);
    std::fs::create_dir(keyrota.path("out")).unwrap();
    keyrota.run(&["init"]).code(0);
    keyrota.run(&["rotate", "token"]).code(0);
    keyrota.run(&["rotate", "session"]).code(0);
    // Everybody may look into every directory, and into the files that hold nothing secret.
    look_into(keyrota.dir());
    let before = std::fs::read_to_string(keyrota.path("out/app.env")).unwrap();

    let mut other = Command::new("setpriv");
    other.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    other.args(["bash", "-c", HOLD_ALL]).arg(keyrota.dir());
    let mut other = Ended(other.stdout(Stdio::piped()).spawn().unwrap());
    let mut held = String::new();
    let said = other.0.stdout.take().unwrap();
    BufReader::new(said).read_line(&mut held).unwrap();
    let held: u32 = held.trim().parse().unwrap();
    assert!(held > 5, "{held} files and directories are held");

    keyrota.run(&["rotate", "token"]).code(0);
    keyrota.run(&["rotate", "session"]).code(10);
    let after = std::fs::read_to_string(keyrota.path("out/app.env")).unwrap();
    assert_ne!(before, after);
    keyrota.run(&["status", "--check"]).code(0);
}

fn look_into(dir: &Path) {
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).unwrap();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            look_into(&entry.path());
        }
    }
}

/// Not left behind by a test that fails.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
