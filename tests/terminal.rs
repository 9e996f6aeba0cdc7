//! What reaches a terminal.

use crate::cli_read::rotated;

/// Text of others in every place it comes from: `--reason`, columns of the database, names of files.
#[test]
fn a_terminal_obeys_nothing_that_others_wrote() {
    const HOSTILE: &str = "x\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}3m\r\nsecret  rotated\u{202e}\u{2066}\u{200b}\u{2028}\u{61c}y";
    let keyrota = rotated();
    let args = ["rotate", "session", "--reason", HOSTILE];
    keyrota.run(&args).code(0);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        use sqlx::{ConnectOptions, Connection};
        let state =
            sqlx::sqlite::SqliteConnectOptions::new().filename(keyrota.path(".keyrota/state.db"));
        let mut state = state.connect().await.unwrap();
        let update = "UPDATE rotation SET actor = ?1, reason = ?1, fingerprint = ?1";
        let update = sqlx::query(update).bind(HOSTILE);
        assert!(update.execute(&mut state).await.unwrap().rows_affected() > 1);
        state.close().await.unwrap();
    });
    let schedules = keyrota.path("s\u{1b}[2J\u{202e}");
    std::fs::create_dir(&schedules).unwrap();
    std::fs::write(schedules.join("production.toml"), "x = 1\n\u{202e} = 2").unwrap();
    let schedules = schedules.to_str().unwrap();
    let commands: [&[&str]; 10] = [
        &["history", "session"],
        &["history", "session", "--format", "markdown"],
        &["status"],
        &["status", "session"],
        &["plan", "session"],
        &["audit", "list"],
        &["audit", "verify"],
        &["validate", "--schedules", schedules],
        &["validate", "--schedules", schedules, "--format", "github"],
        &["check", "--schedules", schedules, "--program", HOSTILE],
    ];
    let mut shown = 0;
    for command in commands {
        let told = keyrota.run(command);
        for text in [&told.stdout, &told.stderr] {
            let obeyed = |c: &char| {
                c.is_control() && !"\n\t".contains(*c) || HOSTILE[3..].contains(*c) && !c.is_ascii()
            };
            assert_eq!(text.chars().find(obeyed), None, "{command:?}: {text}");
            shown += text.matches("\\u{202e}").count();
            let forged = text.lines().any(|line| line.starts_with("secret  rotated"));
            assert!(!forged, "{command:?}: {text}");
        }
    }
    assert!(shown >= 6, "shown {shown} times");
    let exact = keyrota
        .run(&["history", "session", "--json"])
        .code(0)
        .json();
    assert_eq!(exact["rotations"][0]["reason"], HOSTILE);

    // The same at a terminal, and as JSON, which says the same.
    for command in commands {
        for json in [&[][..], &["--json"]] {
            let all = [command, json].concat();
            let screen = crate::handed::on_a_terminal(&keyrota, &all);
            let obeyed = |c: &char| {
                c.is_control() && !"\r\n\t\u{1b}".contains(*c)
                    || HOSTILE[3..].contains(*c) && !c.is_ascii()
            };
            assert_eq!(screen.chars().find(obeyed), None, "{all:?}: {screen}");
            // Colours are keyrota's own.
            for part in screen.split('\u{1b}').skip(1) {
                let end = part.trim_start_matches(|c: char| "[;".contains(c) || c.is_ascii_digit());
                assert!(end.starts_with('m'), "{all:?}: {screen:?}");
            }
        }
    }
}
