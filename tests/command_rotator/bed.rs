//! A rotator around a shell script, and what the script was told.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use keyrota::rotators::command::{Command as Rotator, Settings, Slots};
use keyrota_contract::{Material, Public, SecretValue, Version};
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

pub const ROTATION: Uuid = Uuid::from_u128(7);
pub const CURRENT: &str = "the-current-value-CANARY-1";
pub const PENDING: &str = "the-pending-value-CANARY-2";
pub const PREVIOUS: &str = "the-previous-value-CANARY-3";
pub const ADMIN: &str = "the-admins-value-CANARY-4";

/// A directory with one program in it.
pub struct Bed {
    pub dir: TempDir,
    pub settings: Settings,
}

impl Bed {
    /// The script is given the directory as `$1`.
    pub fn new(slots: Slots, body: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        // Written under another name first: a file just written cannot be executed while any child
        // forked meanwhile still holds it open (ETXTBSY).
        std::fs::write(at("source"), format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(at("source"), PermissionsExt::from_mode(0o700)).unwrap();
        let copied = Command::new("cp")
            .arg("-p")
            .args([at("source"), at("program")])
            .status();
        assert!(copied.unwrap().success());
        let settings = Settings {
            environment: "staging".to_owned(),
            secret: "token".to_owned(),
            argv: [at("program"), dir.path().to_owned()]
                .map(|p| p.to_str().unwrap().to_owned())
                .to_vec(),
            slots,
            timeout: Duration::from_secs(20),
            length: 32,
            alphabet: (b'a'..=b'z').collect(),
            uses: vec!["admin".to_owned()],
            lock: Some(at("lock")),
        };
        Self { dir, settings }
    }

    pub fn rotator(&self) -> Rotator {
        Rotator::new(self.settings.clone()).unwrap()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// What a script that ends in `cat > $1/told` was told last.
    pub fn told(&self) -> Value {
        serde_json::from_str(&self.file("told")).unwrap()
    }
}

/// As in the middle of a rotation, or at its end.
pub fn material(current: Option<&str>, pending: Option<&str>, previous: Option<&str>) -> Material {
    let version = |id, value: Option<&str>| value.map(|v| version(id, v));
    Material {
        current: version(
            (pending.is_none() && previous.is_some()).then_some(ROTATION),
            current,
        ),
        pending: version(Some(ROTATION), pending),
        previous: version(None, previous),
        uses: [("admin".to_owned(), self::version(None, ADMIN))].into(),
    }
}

pub fn before_the_switch() -> Material {
    material(Some(CURRENT), Some(PENDING), None)
}

pub fn after_the_switch() -> Material {
    material(Some(CURRENT), None, Some(PREVIOUS))
}

pub fn version(id: Option<Uuid>, value: &str) -> Version {
    Version {
        id,
        value: SecretValue::copy_of(value.as_bytes()),
        public: Public::new(),
    }
}

/// Whether a process lives; a zombie does not.
pub fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    stat.is_ok_and(|s| !s.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
}

pub async fn wait_for(what: impl Fn() -> bool) {
    for _ in 0..500 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not happen in five seconds");
}

/// Whether a file is there and not empty.
pub fn is_written(path: &Path) -> bool {
    path.metadata().is_ok_and(|m| m.len() > 0)
}
