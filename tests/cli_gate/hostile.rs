//! An export that is made to exhaust whoever verifies it.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::keyrota::Keyrota;

/// The verification may use so much address space, in KiB.
const MEMORY_KIB: u64 = 400_000;

/// Verifies the export in `directory` under a limit of memory; its exit code and what it said.
fn verified(keyrota: &Keyrota, directory: &str) -> (Option<i32>, String) {
    let program = keyrota.command(&[]).get_program().to_owned();
    let began = Instant::now();
    let ran = Command::new("sh")
        .current_dir(keyrota.dir())
        .args(["-c", r#"ulimit -v "$1"; shift; exec "$@""#, "sh"])
        .arg(MEMORY_KIB.to_string())
        .arg(program)
        .args([
            "audit", "verify", "--pubkey", "key.pub", "--export", directory,
        ])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{directory}: {ran:?}"
    );
    let said = [ran.stdout, ran.stderr].concat();
    (ran.status.code(), String::from_utf8(said).unwrap())
}

fn pipe(path: &Path) {
    rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).unwrap();
}

fn device(path: &Path) {
    std::os::unix::fs::symlink("/dev/zero", path).unwrap();
}

/// A file of six gigabytes that takes no room.
fn six_gigabytes(path: &Path) {
    File::create(path).unwrap().set_len(6 << 30).unwrap();
}

/// The export with one line that does not end.
fn one_long_line(path: &Path) {
    let file = OpenOptions::new().append(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length + (6 << 30)).unwrap();
}

/// One of its lines, so often that it takes long to read.
fn copies(path: &Path) {
    let text = std::fs::read_to_string(path).unwrap();
    let line = text.split_inclusive('\n').nth(2).unwrap();
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    let many = line.repeat(2_000);
    for _ in 0..100 {
        file.write_all(many.as_bytes()).unwrap();
    }
}

/// Lines of its own, each another one.
fn others(path: &Path) {
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    for i in 0..200_000 {
        writeln!(file, "{{\"seq\":{i}}}").unwrap();
    }
}

#[test]
fn a_hostile_export_takes_neither_memory_nor_time() {
    let keyrota = Keyrota::in_temp();
    keyrota.write(
        "schedules/development.toml",
        "environment = \"development\"\n[defaults]\nrefresh = \"0s\"\nskew = \"0s\"\n[providers.local]\nkind = \"file\"\npath = \".keyrota/development.age\"\n\
         [secrets.token]\nkind = \"random\"\nenv = \"TOKEN\"\n",
    );
    keyrota.run(&["rotate", "token"]).code(0);
    let key = keyrota.run(&["audit", "pubkey"]).code(0).stdout;
    keyrota.write("key.pub", &key);
    type Make = fn(&Path);
    let log: [(Make, bool, &[i32]); 6] = [
        (pipe, true, &[35]),
        (device, true, &[35]),
        (six_gigabytes, true, &[30]),
        (one_long_line, false, &[30]),
        (copies, false, &[32]),
        (others, false, &[30]),
    ];
    let manifest: [(Make, bool, &[i32]); 3] = [
        (pipe, true, &[35]),
        (device, true, &[35]),
        (six_gigabytes, true, &[35]),
    ];
    for form in ["jsonl", "csv"] {
        let args = ["audit", "export", "--format", form, "--to", form];
        keyrota.run(&args).code(0);
        assert_eq!(verified(&keyrota, form).0, Some(0));
        let file = format!("audit.{form}");
        let of = |name: &str| (name.to_owned(), keyrota.path(form).join(name));
        let (file, manifest_file) = (of(&file), of("manifest.json"));
        let cases = log.iter().map(|case| (&file, case));
        let cases = cases.chain(manifest.iter().map(|case| (&manifest_file, case)));
        for (at, ((name, path), (make, anew, codes))) in cases.enumerate() {
            let sound = std::fs::read(path).unwrap();
            if *anew {
                std::fs::remove_file(path).unwrap();
            }
            make(path);
            let (code, said) = verified(&keyrota, form);
            assert!(
                codes.iter().any(|c| code == Some(*c)),
                "case {at} of {name}: {code:?} {said}"
            );
            // A pipe or a link is not written through.
            std::fs::remove_file(path).unwrap();
            std::fs::write(path, sound).unwrap();
        }
        assert_eq!(verified(&keyrota, form).0, Some(0));
    }
}
