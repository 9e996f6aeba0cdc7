//! `keyrota init`: a starter schedule with a file provider and its keys.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use clap::Args;
use keyrota_local::identity;
use rustix::fs::{FileType, Mode, OFlags};

use super::context::{Chosen, Context};
use super::exit::{self, Failed};
use super::home::{DEVELOPMENT, Home, uses_made_identity};
use super::say::{print, print_json};
use crate::keys::Seed;
use crate::trust::{self, Untrusted};
use crate::world::SystemEntropy;

/// Options of `keyrota init`.
#[derive(Debug, Args)]
#[command(
    after_help = "Writes schedules/development.toml, an entry for .keyrota/ in .gitignore, and the keys in \
.keyrota/keys. Never overwrites a file."
)]
pub struct Init {}

/// A first schedule: three kinds, waits of seconds, nothing from outside.
const STARTER: &str = include_str!("../../schedules/development.toml");
const IGNORED: &str = ".keyrota/";
/// No list of ignored files comes near this.
const IGNORE_BYTES_MAX: u64 = 1 << 20;

/// Does it; the exit code.
pub fn run(_: &Init, context: &Context<'_>) -> Result<u8, Failed> {
    if !matches!(context.global.env.as_slice(), [] | [_])
        || context.global.env.first().is_some_and(|e| e != DEVELOPMENT)
    {
        return Err(Failed::new(
            exit::USAGE,
            "init makes the environment development; write the others after its example, with keys that a person makes",
        ));
    }
    let host = context.host()?;
    let dir = context.schedules(&host);
    let file = dir.join(format!("{DEVELOPMENT}.toml"));
    let failed = |path: &Path, e: std::io::Error| {
        Failed::config(format!("{}: {}", path.display(), e.kind()))
    };
    let untrusted = |why: Untrusted| Failed::config(format!("{}: {why}", dir.display()));
    // Before anything is made.
    trust::above(&dir).map_err(untrusted)?;
    let absent = !dir.exists();
    if absent {
        fs::create_dir_all(&dir).map_err(|e| failed(&dir, e))?;
    }
    // Another user may have been faster, where everybody may write: what is open here is judged, and
    // the schedule is made in it.
    let schedules = trust::directory(&dir, OFlags::RDONLY).map_err(untrusted)?;
    if absent {
        rustix::fs::fchmod(&schedules.fd, Mode::from_raw_mode(0o755))
            .map_err(|e| failed(&dir, e.into()))?;
    }
    let mut told = Vec::new();
    match starter(&schedules.fd) {
        Ok(()) => told.push(format!("wrote {}", file.display())),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            told.push(format!("kept {}", file.display()))
        }
        Err(e) => return Err(failed(&file, e)),
    }
    let chosen = context.load(&dir, host, DEVELOPMENT.to_owned())?;
    ignore(&chosen.env.root).map_err(|e| failed(&chosen.env.root.join(".gitignore"), e))?;
    let made = make_keys(&chosen)?;
    if let Some(home) = &chosen.home {
        let verb = if made { "made" } else { "kept" };
        told.push(format!(
            "{verb} the keys in {}",
            home.dir.join("keys").display()
        ));
    }
    if context.global.json {
        let answer = serde_json::json!({"schema_version": 1, "schedule": file, "keys_made": made});
        print_json(&answer)?;
    } else {
        told.push("next: keyrota rotate --all --wait\n".to_owned());
        print(&told.join("\n"))?;
    }
    Ok(exit::DONE)
}

/// Makes the schedule. It holds no secret, and others of the project read it: this process's umask is
/// for keys.
fn starter(schedules: &OwnedFd) -> std::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o644);
    let name = format!("{DEVELOPMENT}.toml");
    let mut new = fs::File::from(rustix::fs::openat(schedules, name, flags, mode)?);
    new.write_all(STARTER.as_bytes())?;
    rustix::fs::fchmod(&new, mode)?;
    new.sync_all()
}

/// Makes seed and identity where that is allowed and nothing stands yet that was made with others:
/// keys that are lost are never replaced. Whether they were made.
pub fn make_keys(chosen: &Chosen) -> Result<bool, Failed> {
    let Some(home) = chosen.home.as_ref().filter(|h| h.makes_keys) else {
        return Ok(false);
    };
    let wants_seed = chosen.host.keys.is_none();
    let wants_identity = uses_made_identity(&chosen.env);
    let dir = home.dir.join("keys");
    if dir.exists() || !(wants_seed || wants_identity) {
        return Ok(false);
    }
    let providers = chosen.env.providers.iter();
    let documents = providers.filter_map(|p| p.settings.made_document());
    let orphans: Vec<&Path> = documents.filter(|path| path.exists()).collect();
    if let Some(orphan) = orphans.first() {
        return Err(Failed::config(format!(
            "{} exists, but the keys it was made with ({}) are gone: put them back; nothing was made in their place",
            orphan.display(),
            dir.display()
        )));
    }
    if home.state().exists() && wants_seed {
        return Err(Failed::config(format!(
            "{} exists, but the keys it was made with ({}) are gone: put them back; nothing was made in their place",
            home.state().display(),
            dir.display()
        )));
    }
    let failed = |e: std::io::Error| Failed::config(format!("{}: {}", dir.display(), e.kind()));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&home.dir)
        .map_err(failed)?;
    // It may have been there, and be another user's.
    trust::above(&home.dir)
        .map_err(|why| Failed::config(format!("{}: {why}", home.dir.display())))?;
    write_keys(home, &dir).map_err(failed)?;
    Ok(true)
}

/// Both keys appear at once: they are made in a directory beside, which is renamed.
fn write_keys(home: &Home, dir: &Path) -> std::io::Result<()> {
    let made = tempfile::Builder::new()
        .prefix(".keys.")
        .tempdir_in(&home.dir)?;
    let seed = Seed::generate(&mut SystemEntropy);
    seed.expose_to(|bytes| private(&made.path().join("seed"), bytes))?;
    let identity = identity::generate();
    identity
        .file
        .expose_to(|bytes| private(&made.path().join("age-identity"), bytes))?;
    fs::File::open(made.path())?.sync_all()?;
    // Of two processes that make keys at once, one renames and the other finds the name taken.
    match fs::rename(made.path(), dir) {
        Ok(()) => {
            let _ = made.keep();
            fs::File::open(&home.dir)?.sync_all()
        }
        Err(_) if dir.exists() => Ok(()),
        Err(e) => Err(e),
    }
}

fn private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// git must not see what is made here. A link or a pipe of that name is not git's, and is refused.
fn ignore(root: &Path) -> std::io::Result<()> {
    let path = root.join(".gitignore");
    let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE;
    let never = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(&path, flags | never, Mode::from_raw_mode(0o644))?;
    let stat = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    let mut file = fs::File::from(file);
    let mut text = String::new();
    (&mut file)
        .take(IGNORE_BYTES_MAX)
        .read_to_string(&mut text)?;
    if text.lines().any(|line| {
        line.trim().trim_start_matches('/').trim_end_matches('/') == IGNORED.trim_end_matches('/')
    }) {
        return Ok(());
    }
    let newline = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    file.write_all(format!("{newline}{IGNORED}\n").as_bytes())?;
    if text.is_empty() {
        file.set_permissions(fs::Permissions::from_mode(0o644))
    } else {
        Ok(())
    }
}
