#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::super::testing::{delivery, showing};
use super::*;

fn config(path: &Path, format: Format) -> FileConfig {
    FileConfig {
        path: path.to_owned(),
        format,
        mode: 0o600,
        owner: None,
        multi_line: false,
        in_place: false,
    }
}

fn consumer(path: &Path, format: Format) -> FileConsumer {
    FileConsumer::new(config(path, format)).unwrap()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().mode() & 0o7777
}

#[tokio::test]
async fn a_rotation_with_a_fallback_seen_by_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.env");
    std::fs::write(&path, "# ours\nPORT=80\nKEY=old\n").unwrap();
    let consumer = consumer(&path, Format::Systemd);
    consumer.preflight().await.unwrap();
    for (variables, expected, ack) in [
        (
            [("KEY", Some("old")), ("KEY_FALLBACK", Some("new"))],
            "# ours\nPORT=80\nKEY=old\nKEY_FALLBACK=new\n",
            Ack::Told,
        ),
        (
            [("KEY", Some("old")), ("KEY_FALLBACK", Some("new"))],
            "# ours\nPORT=80\nKEY=old\nKEY_FALLBACK=new\n",
            Ack::Unchanged,
        ),
        (
            [("KEY", Some("new")), ("KEY_FALLBACK", Some("old"))],
            "# ours\nPORT=80\nKEY=new\nKEY_FALLBACK=old\n",
            Ack::Told,
        ),
        (
            [("KEY", Some("new")), ("KEY_FALLBACK", None)],
            "# ours\nPORT=80\nKEY=new\n",
            Ack::Told,
        ),
    ] {
        let exposure = showing(variables);
        let before = std::fs::metadata(&path).unwrap().ino();
        assert_eq!(consumer.deliver(&delivery(&exposure)).await, Ok(ack));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        assert_eq!(
            std::fs::metadata(&path).unwrap().ino() == before,
            ack == Ack::Unchanged
        );
        assert_eq!(mode(&path), 0o600, "and not the old file's");
    }
}

#[tokio::test]
async fn the_five_formats() {
    for (format, old, expected) in [
        (Format::Systemd, "B=1\n", "B=1\nA='two words'\n"),
        (
            Format::Dotenv,
            "export A=1 # c\n",
            "export A='two words' # c\n",
        ),
        (Format::Docker, "B=\"1\"\n", "B=\"1\"\nA=two words\n"),
        (Format::Raw, "whatever stood here\n", "two words"),
        (
            Format::Json,
            "{\"n\": 1.0}",
            "{\"n\": 1.0,\"A\": \"two words\"}",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, old).unwrap();
        let consumer = consumer(&path, format);
        consumer.preflight().await.unwrap();
        let exposure = showing([("A", Some("two words"))]);
        assert_eq!(consumer.deliver(&delivery(&exposure)).await, Ok(Ack::Told));
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            expected,
            "{format:?}"
        );
        assert_eq!(
            consumer.deliver(&delivery(&exposure)).await,
            Ok(Ack::Unchanged),
            "{format:?}"
        );
    }
}

#[tokio::test]
async fn what_is_to_be_absent() {
    let dir = tempfile::tempdir().unwrap();
    let absent = showing([("A", None)]);
    for format in [Format::Raw, Format::Systemd, Format::Json] {
        let path = dir.path().join(format!("{format:?}"));
        let consumer = consumer(&path, format);
        assert_eq!(
            consumer.deliver(&delivery(&absent)).await,
            Ok(Ack::Unchanged)
        );
        assert!(!path.exists());
        consumer
            .deliver(&delivery(&showing([("A", Some("1"))])))
            .await
            .unwrap();
        assert_eq!(consumer.deliver(&delivery(&absent)).await, Ok(Ack::Told));
        assert_eq!(path.exists(), format != Format::Raw);
        assert_eq!(
            consumer.deliver(&delivery(&absent)).await,
            Ok(Ack::Unchanged)
        );
    }
    // Two values do not fit where there is room for one.
    let raw = consumer(&dir.path().join("raw"), Format::Raw);
    let two = showing([("A", Some("1")), ("B", Some("2"))]);
    assert!(matches!(
        raw.deliver(&delivery(&two)).await,
        Err(DeliveryError::Refused(_))
    ));
}

#[tokio::test]
async fn mode_and_owner_are_put_right_even_if_the_content_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.env");
    std::fs::write(&path, "A=1\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let exposure = showing([("A", Some("1"))]);
    let loose = FileConsumer::new(FileConfig {
        mode: 0o640,
        ..config(&path, Format::Systemd)
    })
    .unwrap();
    assert_eq!(loose.deliver(&delivery(&exposure)).await, Ok(Ack::Told));
    assert_eq!(mode(&path), 0o640);
    assert_eq!(
        loose.deliver(&delivery(&exposure)).await,
        Ok(Ack::Unchanged)
    );

    let owner = |text: &str| {
        let owner = Some(text.to_owned());
        FileConsumer::new(FileConfig {
            owner,
            ..config(&path, Format::Systemd)
        })
        .unwrap()
    };
    let unknown = owner("no-such-user-here");
    assert!(matches!(
        unknown.preflight().await,
        Err(DeliveryError::Refused(_))
    ));
    assert!(matches!(
        unknown.deliver(&delivery(&exposure)).await,
        Err(DeliveryError::Refused(_))
    ));
    if rustix::process::geteuid().is_root() {
        let other = owner("65534:65534");
        other.preflight().await.unwrap();
        assert_eq!(other.deliver(&delivery(&exposure)).await, Ok(Ack::Told));
        let m = std::fs::metadata(&path).unwrap();
        assert_eq!((m.uid(), m.gid(), mode(&path)), (65534, 65534, 0o600));
        // Nobody, or another one, is stated: whoever put it there would read the next value.
        for consumer in [consumer(&path, Format::Systemd), owner("7:7")] {
            let next = showing([("A", Some("2"))]);
            for refused in [
                consumer.preflight().await,
                consumer.deliver(&delivery(&next)).await.map(|_| ()),
            ] {
                assert!(
                    matches!(refused, Err(DeliveryError::Refused(s)) if s.contains("chown it"))
                );
            }
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "A=1\n");
        }
    } else {
        assert!(matches!(
            owner("0:0").preflight().await,
            Err(DeliveryError::Refused(_))
        ));
    }
}

#[tokio::test]
async fn what_cannot_be_written_safely_is_refused_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("real"), "A=1\n").unwrap();
    symlink(at("real"), at("link")).unwrap();
    std::fs::write(at("quoted"), "B='never closed\n").unwrap();
    std::fs::write(at("list"), "[]").unwrap();
    let exposure = showing([("A", Some("2"))]);
    for (path, format) in [
        (at("link"), Format::Systemd),
        (at("quoted"), Format::Systemd),
        (at("list"), Format::Json),
        (at("missing/f"), Format::Raw),
    ] {
        let consumer = consumer(&path, format);
        assert!(
            matches!(consumer.preflight().await, Err(DeliveryError::Refused(_))),
            "{path:?}"
        );
        assert!(
            matches!(
                consumer.deliver(&delivery(&exposure)).await,
                Err(DeliveryError::Refused(_))
            ),
            "{path:?}"
        );
    }
    assert_eq!(std::fs::read_to_string(at("real")).unwrap(), "A=1\n");
    assert_eq!(
        std::fs::read_to_string(at("quoted")).unwrap(),
        "B='never closed\n"
    );
    let pem = FileConsumer::new(FileConfig {
        multi_line: true,
        ..config(&at("d"), Format::Docker)
    })
    .unwrap();
    assert!(
        matches!(pem.preflight().await, Err(DeliveryError::Refused(s)) if s.contains("docker"))
    );
}

#[test]
fn configurations() {
    let new = |path: &str, mode| {
        FileConsumer::new(FileConfig {
            mode,
            ..config(Path::new(path), Format::Raw)
        })
        .is_ok()
    };
    assert!(new("/etc/app/key", 0o600) && new("/etc/app/key", 0o440));
    for (path, mode) in [
        ("key", 0o600),
        ("/", 0o600),
        ("/k", 0o644),
        ("/k", 0o604),
        ("/k", 0o4600),
        ("/k", 0o200),
    ] {
        assert!(!new(path, mode), "{path} {mode:o}");
    }
}

/// Without the lock, of two editors that read the same old content the later one undoes the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn editors_of_one_file_lose_nothing_and_readers_see_it_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.env");
    std::fs::write(&path, "END=end\n").unwrap();
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let reader = {
        let (path, done) = (path.clone(), done.clone());
        std::thread::spawn(move || {
            let mut reads = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let text = std::fs::read_to_string(&path).unwrap();
                assert!(
                    text.starts_with("END=end\n") && text.ends_with('\n'),
                    "{text:?}"
                );
                assert!(
                    text.lines().skip(1).all(|l| l.len() == "V0=".len() + 2000),
                    "{text:?}"
                );
                reads += 1;
            }
            reads
        })
    };
    let editors: Vec<_> = (0..4)
        .map(|editor| {
            let path = path.clone();
            tokio::spawn(async move {
                let consumer = consumer(&path, Format::Systemd);
                for turn in 0..12 {
                    let name = format!("V{editor}");
                    let value = char::from(b'a' + turn).to_string().repeat(2000);
                    let exposure = showing([(&name, Some(&value))]);
                    assert_eq!(consumer.deliver(&delivery(&exposure)).await, Ok(Ack::Told));
                }
            })
        })
        .collect();
    for editor in editors {
        editor.await.unwrap();
    }
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(reader.join().unwrap() > 10);
    let text = std::fs::read_to_string(&path).unwrap();
    for editor in 0..4 {
        assert!(
            text.contains(&format!("V{editor}={}\n", "l".repeat(2000))),
            "V{editor} was undone"
        );
    }
}

#[test]
fn nothing_of_a_value_shows_in_an_error() {
    let canary = "CANARY\u{1}0123456789";
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    for format in [Format::Systemd, Format::Dotenv, Format::Docker] {
        let consumer = consumer(&dir.path().join("f"), format);
        let exposure = showing([("A", Some(canary))]);
        let error = runtime
            .block_on(consumer.deliver(&delivery(&exposure)))
            .unwrap_err();
        assert!(!format!("{error} {error:?} {consumer:?} {exposure:?}").contains("CANARY"));
    }
}
