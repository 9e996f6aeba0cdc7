#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;

use keyrota_contract::Stage;
use keyrota_contract::testing::Subject;

use super::*;
use crate::identity::generate;

mod older;

async fn subject() -> Subject {
    let (dir, fixture) = Fixture::new();
    Subject::new(fixture.provider(), "production").keeping(dir)
}

keyrota_contract::conformance!(self::subject);

struct Fixture {
    path: PathBuf,
    identity: SecretValue,
    recipient: String,
}

impl Fixture {
    fn at(dir: &Path) -> Self {
        let new = generate();
        Self {
            path: dir.join("production.age"),
            identity: new.file,
            recipient: new.recipient,
        }
    }

    fn new() -> (tempfile::TempDir, Self) {
        let dir = tempfile::tempdir().unwrap();
        let fixture = Self::at(dir.path());
        (dir, fixture)
    }

    fn identities(&self) -> Identities {
        self.identity.expose_to(Identities::parse).unwrap()
    }

    fn provider(&self) -> FileProvider {
        FileProvider::new(&self.path, self.identities(), &[], "production", "ops-1").unwrap()
    }
}

fn at(path: &str) -> Place {
    Place::new(path)
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

async fn put(p: &FileProvider, n: u128, value: &str) -> Result<Native, ProviderError> {
    p.write(
        &at("a/key"),
        id(n),
        &SecretValue::copy_of(value.as_bytes()),
        &Public::new(),
    )
    .await
}

/// Needs the program `age` (Debian package `age`): the format is a promise to people without keyrota.
#[tokio::test]
async fn the_stock_age_program_reads_the_document_and_cannot_replace_it() {
    let (dir, fixture) = Fixture::new();
    let p = fixture.provider();
    put(&p, 1, "a value\nof two lines").await.unwrap();
    let key = dir.path().join("identity.txt");
    fixture
        .identity
        .expose_to(|file| fs::write(&key, file))
        .unwrap();
    let missing = "this test needs the program `age` (Debian: apt-get install age)";

    let out = Command::new("age")
        .arg("-d")
        .arg("-i")
        .arg(&key)
        .arg(&fixture.path)
        .output()
        .expect(missing);
    assert!(out.status.success());
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(text.contains("\"a/key\"") && text.contains("\"a value\\nof two lines\""));

    // Anyone who knows the recipient can seal another document: it is not taken for keyrota's.
    let good = fs::read(&fixture.path).unwrap();
    let mut age = Command::new("age")
        .args(["-r", &fixture.recipient, "-o"])
        .arg(&fixture.path)
        .stdin(Stdio::piped())
        .spawn()
        .expect(missing);
    let forged = text.replace("two", "three");
    std::io::Write::write_all(&mut age.stdin.take().unwrap(), forged.as_bytes()).unwrap();
    assert!(age.wait().unwrap().success());
    let refused = p.read(&at("a/key"), &VersionRef::Ours(id(1))).await;
    let said = refused.err().unwrap().context;
    assert!(said.contains("was not written by a keyrota"), "{said}");
    assert_eq!(put(&p, 2, "new").await.unwrap_err().context, said);
    fs::write(&fixture.path, good).unwrap();
    put(&p, 2, "new").await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_understood_is_not_overwritten() {
    let (_dir, fixture) = Fixture::new();
    let p = fixture.provider();
    put(&p, 1, "canary").await.unwrap();
    let good = fs::read(&fixture.path).unwrap();
    let (_other_dir, other) = Fixture::new();
    put(&other.provider(), 1, "canary").await.unwrap();
    let newer = b"{\"keyrota\": 2}\n";
    let own = identity::recipients(&[], &fixture.identities()).unwrap();

    let mut seen = vec![];
    for bad in [
        b"{\"keyrota\": 1}".to_vec(),
        good[..good.len() - 1].to_vec(),
        fs::read(&other.path).unwrap(),
        seal(newer, "production", &fixture.identities(), &own),
        seal(
            b"{\"keyrota\": 1, \"canary\": 1}\n",
            "production",
            &fixture.identities(),
            &own,
        ),
        seal(b"canary\n", "production", &fixture.identities(), &own),
        sealed::seal(b"{\"keyrota\": 1}\n", &own),
    ] {
        fs::write(&fixture.path, &bad).unwrap();
        let error = put(&p, 2, "new").await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert_eq!(p.describe(&at("a/key")).await.unwrap_err(), error);
        assert!(!format!("{error} {error:?}").contains("canary"));
        assert!(
            !seen.contains(&error.context),
            "two faults, one answer: {error}"
        );
        seen.push(error.context);
        assert_eq!(fs::read(&fixture.path).unwrap(), bad);
    }
    fs::write(&fixture.path, good).unwrap();
    put(&p, 2, "new").await.unwrap();
}

#[test]
fn recipients_that_would_lock_us_out_are_refused_before_anything_is_written() {
    let (_dir, fixture) = Fixture::new();
    let theirs = [generate().recipient];
    let refused = FileProvider::new(
        &fixture.path,
        fixture.identities(),
        &theirs,
        "production",
        "ops-1",
    );
    assert_eq!(refused.err(), Some(IdentityError::LockedOut));
    assert!(!fixture.path.exists());
}

/// Each has a lock of its own on the file, exactly as two processes have.
#[test]
fn writers_at_the_same_time_lose_nothing() {
    const WRITERS: u128 = 4;
    const WRITES: u128 = 12;
    let (_dir, fixture) = Fixture::new();
    let run = |future: std::pin::Pin<Box<dyn Future<Output = Result<Native, ProviderError>>>>| {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(future)
    };
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let p = fixture.provider();
            scope.spawn(move || {
                let p = Arc::new(p);
                for n in 0..WRITES {
                    let (p, n) = (p.clone(), writer * WRITES + n);
                    run(Box::pin(async move {
                        p.write(
                            &at(&format!("key-{n}")),
                            id(n),
                            &SecretValue::copy_of(b"v"),
                            &Public::new(),
                        )
                        .await
                    }))
                    .unwrap();
                }
            });
        }
    });
    let document = fixture.provider().open().unwrap().unwrap();
    assert_eq!(u128::from(document.generation), WRITERS * WRITES);
    for n in 0..WRITERS * WRITES {
        assert_eq!(document.describe(&format!("key-{n}")).len(), 1);
    }
}

/// The writer is this test again, in a process of its own that is killed wherever it happens to be.
#[tokio::test]
async fn a_writer_that_is_killed_leaves_a_whole_document() {
    const VARIABLE: &str = "KEYROTA_TEST_WRITE_IN";
    if let Some(dir) = std::env::var_os(VARIABLE) {
        let identities =
            Identities::parse(&fs::read(Path::new(&dir).join("identity.txt")).unwrap()).unwrap();
        let p = FileProvider::new(
            Path::new(&dir).join("production.age"),
            identities,
            &[],
            "production",
            "ops-1",
        )
        .unwrap();
        for n in 1u128.. {
            put(&p, u128::from(std::process::id()) << 64 | n, "value")
                .await
                .unwrap();
        }
    }
    let (dir, fixture) = Fixture::new();
    fixture
        .identity
        .expose_to(|file| fs::write(dir.path().join("identity.txt"), file))
        .unwrap();
    let (mut last, mut orphans) = (0, 0);
    for round in 0..12 {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "file::tests::a_writer_that_is_killed_leaves_a_whole_document",
            ])
            .env(VARIABLE, dir.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // Not before it has written something, and then at another moment each time.
        let p = fixture.provider();
        while p
            .document_info()
            .unwrap()
            .is_none_or(|d| d.generation <= last)
        {
            assert!(
                writer.try_wait().unwrap().is_none(),
                "the writer ended by itself"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(700 * round));
        writer.kill().unwrap();
        writer.wait().unwrap();

        last = p.document_info().unwrap().unwrap().generation;
        assert_eq!(p.describe(&at("a/key")).await.unwrap().len(), 1);
        orphans += fs::read_dir(dir.path()).unwrap().count() - 3;
        put(&p, round.into(), "after").await.unwrap();
        last += 1;
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            3,
            "document, lock and identity"
        );
    }
    eprintln!("{last} generations, {orphans} of 12 kills left a temporary file");
}

#[tokio::test]
async fn a_writer_that_hangs_does_not_hang_us() {
    let (_dir, fixture) = Fixture::new();
    let mut p = fixture.provider();
    p.lock_attempts = 3;
    let held = FileLock::try_take(&p.lock).unwrap().unwrap();
    assert_eq!(
        put(&p, 1, "one").await.unwrap_err().kind,
        ErrorKind::Unavailable
    );
    drop(held);
    put(&p, 1, "one").await.unwrap();
}

#[tokio::test]
async fn orphans_of_a_dead_writer_are_swept_and_the_document_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, fixture) = Fixture::new();
    let orphan = dir.path().join(".production.age.keyrota.1f-0.tmp");
    fs::write(&orphan, "half a document").unwrap();
    put(&fixture.provider(), 1, "one").await.unwrap();
    assert!(!orphan.exists());
    assert_eq!(
        fs::metadata(&fixture.path).unwrap().permissions().mode() & 0o7777,
        0o600
    );
}

#[tokio::test]
async fn neither_the_value_nor_a_part_of_it_is_on_the_disk() {
    let (dir, fixture) = Fixture::new();
    let p = fixture.provider();
    put(&p, 1, "canary-4cb1e7").await.unwrap();
    p.promote(&at("a/key"), id(1), None).await.unwrap();
    for entry in fs::read_dir(dir.path()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        for mark in [&b"canary"[..], b"4cb1e7", b"ops-1", b"a/key"] {
            assert!(!bytes.windows(mark.len()).any(|w| w == mark));
        }
    }
}

#[test]
fn failures_of_files_become_the_right_kinds() {
    for (e, kind) in [
        (FileError::Full, ErrorKind::Unavailable),
        (FileError::ReadOnly, ErrorKind::Unavailable),
        (FileError::Locked, ErrorKind::Unavailable),
        (FileError::Denied, ErrorKind::Denied),
        (FileError::NotDurable, ErrorKind::Ambiguous),
        (FileError::Changed, ErrorKind::Ambiguous),
        (FileError::Symlink, ErrorKind::Invalid),
        (FileError::NotFound, ErrorKind::Invalid),
    ] {
        assert_eq!(on_file(e), ProviderError::new(kind, e.sentence()));
    }
}

#[tokio::test]
async fn there_are_no_fields() {
    let (_dir, fixture) = Fixture::new();
    let place = Place {
        path: "a".into(),
        field: Some("b".into()),
    };
    assert_eq!(
        fixture.provider().describe(&place).await.unwrap_err().kind,
        ErrorKind::Invalid
    );
    let current = VersionRef::Stage(Stage::Current);
    assert_eq!(
        fixture
            .provider()
            .read(&place, &current)
            .await
            .unwrap_err()
            .kind,
        ErrorKind::Invalid
    );
}

/// One identity and one host for both, as a small team has them.
#[tokio::test]
async fn the_document_of_another_environment_is_refused() {
    let (_dir, fixture) = Fixture::new();
    let build = |environment| {
        FileProvider::new(
            &fixture.path,
            fixture.identities(),
            &[],
            environment,
            "ops-1",
        )
        .unwrap()
    };
    put(&build("staging"), 1, "of staging").await.unwrap();
    let before = fs::read(&fixture.path).unwrap();
    let production = build("production");
    let read = production
        .read(&at("a/key"), &VersionRef::Ours(id(1)))
        .await;
    let written = put(&production, 2, "new").await;
    for refused in [read.unwrap_err(), written.unwrap_err()] {
        assert_eq!(refused.kind, ErrorKind::Invalid);
        assert!(refused.context.contains("for this environment"));
    }
    assert_eq!(fs::read(&fixture.path).unwrap(), before);
}

/// Whoever reads many values opens the document once, and whoever changes one sees what is there.
#[tokio::test]
async fn one_look_opens_the_document_once_and_is_no_basis_of_a_change() {
    let (_dir, fixture) = Fixture::new();
    let p = fixture.provider();
    put(&p, 1, "first").await.unwrap();
    let ours = VersionRef::Ours(id(1));
    let look = p.one_look();
    assert!(p.read(&at("a/key"), &ours).await.unwrap().is_some());
    let document = fs::read(&fixture.path).unwrap();
    fs::remove_file(&fixture.path).unwrap();
    // Nothing is opened any more, whatever is asked.
    assert_eq!(p.describe(&at("a/key")).await.unwrap().len(), 1);
    assert!(p.read(&at("a/key"), &ours).await.unwrap().is_some());
    let gone = put(&p, 2, "second").await.unwrap_err().context;
    assert!(gone.starts_with("the document is gone"), "{gone}");
    drop(look);
    assert!(p.read(&at("a/key"), &ours).await.is_err());
    fs::write(&fixture.path, document).unwrap();
    assert!(p.read(&at("a/key"), &ours).await.unwrap().is_some());
}
