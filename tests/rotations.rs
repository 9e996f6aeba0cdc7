//! Whole rotations by the real binary: programs that fail, files that are edited and people who
//! decide in the middle of them.

use std::os::unix::fs::PermissionsExt;

use crate::support::keyrota::Keyrota;

const HEAD: &str = r#"environment = "development"
[providers.local]
kind = "file"
path = ".keyrota/development.age"
"#;

/// A directory with one secret, told to programs that write down that they were called.
fn bed(secret: &str, programs: &[&str]) -> Keyrota {
    let keyrota = Keyrota::in_temp();
    let dir = keyrota.dir().display().to_string();
    let mut text = format!("{HEAD}{secret}");
    for name in programs {
        let program = format!(
            "#!/bin/sh\necho {name} >> {dir}/calls\n[ ! -e {dir}/{name}.exit ] || exit $(cat {dir}/{name}.exit)\n"
        );
        keyrota.write(name, &program);
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(keyrota.path(name), mode).unwrap();
        text.push_str(&format!(
            "[[secrets.token.consumers]]\nkind = \"command\"\nargv = [\"{dir}/{name}\"]\n"
        ));
    }
    keyrota.write("schedules/development.toml", &text);
    keyrota
}

/// The programs that were called since this was asked last, in order.
fn calls(keyrota: &Keyrota) -> Vec<String> {
    let path = keyrota.path("calls");
    let all = std::fs::read_to_string(&path).unwrap_or_default();
    let _ = std::fs::remove_file(path);
    all.lines().map(str::to_owned).collect()
}

const TOKEN: &str = "[secrets.token]\nkind = \"random\"\nrefresh = \"0s\"\n";

#[test]
fn a_program_is_told_of_every_rotation_also_of_a_secret_without_variables() {
    let keyrota = bed(TOKEN, &["reload"]);
    for _ in 0..3 {
        keyrota.run(&["rotate", "token"]).code(0);
        assert_eq!(calls(&keyrota), ["reload"]);
    }
}

#[test]
fn who_stands_behind_one_that_failed_is_called_again_and_the_reason_is_kept() {
    let keyrota = bed(&format!("{TOKEN}env = \"TOKEN\"\n"), &["write", "reload"]);
    keyrota.write("write.exit", "75");
    let ran = keyrota.run(&["rotate", "token"]).code(21);
    assert!(ran.stdout.contains("exit 75"), "{}", ran.stdout);
    assert_eq!(calls(&keyrota), ["write", "reload"]);
    std::fs::remove_file(keyrota.path("write.exit")).unwrap();
    keyrota.run(&["resume", "token", "--wait"]).code(0);
    assert_eq!(calls(&keyrota), ["write", "reload"]);
}
