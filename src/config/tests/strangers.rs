//! Files of strangers: what they cost, and what they may be.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use super::{load, now, read};
use crate::config::source::{FILE_BYTES_MAX, Source};
use crate::config::{cross, effort, gate_rules, render};

/// What a long file is made of.
struct Hostile {
    before: &'static str,
    /// Repeated, with its number, until the file is long.
    part: &'static str,
    after: &'static str,
}

const fn hostile(before: &'static str, part: &'static str, after: &'static str) -> Hostile {
    Hostile {
        before,
        part,
        after,
    }
}

const P: &str = "[providers.p]\nkind = 'file'\npath = 'x'\n";

/// Each once made some step look at the whole file again and again.
const HOSTILE: &[Hostile] = &[
    hostile("secrets = {", "a#={kind='randon'},", "z={}}"),
    hostile("x = [", "{a#=rando},", "]"),
    hostile("y = [", "rando,", "]\ny = 1"),
    hostile("y = [[", "rando ", "]"),
    hostile("[", "a b ", "]"),
    hostile("                [", "a  \t b ", "]"),
    hostile("x = {", "'ä#'=1,", "z=1}"),
    hostile("x = '", "ä", "' 1 1"),
    hostile("", "k# = 1\n", ""),
    hostile("", "[a]\n", ""),
    hostile("", "a#.b = 1\na#.b = 1\n", ""),
    hostile("x = {", "k=1,", "k=1}"),
    hostile("# ", "AKIA", ""),
    hostile("x = '", "a://b:c@", "'"),
    hostile("", "[env.A#]\n", ""),
    hostile("", "[env.A#]\nrequired_if='B#'\n", ""),
    hostile("env.X = {}\n[programs.p]\nenv = [", "'B#',", "]"),
    hostile("env.X = {}\n", "[programs.p#]\nenv=['B#']\n", ""),
    hostile(P, "[secrets.a#]\nkind='random'\nenv='A'\n", ""),
    hostile(
        P,
        "[secrets.a#]\nkind='random'\nenv='A#'\nenv_fallback='B#'\n[programs.p#]\nenv=['A#']\n",
        "",
    ),
    hostile(P, "[secrets.a#]\nkind='random'\npath='p'\n", ""),
    hostile(
        "",
        "[providers.p#]\nkind='file'\npath='x#'\n[secrets.a#]\nkind='random'\nprovider='q#'\n",
        "",
    ),
    hostile(
        P,
        "[secrets.a#]\nkind='random'\nschedule='*/5 * * * *'\n",
        "",
    ),
    hostile(
        "[secrets.a]\nkind='random'\nconsumers=[",
        "{kind='file',path='x',keys={A#='{value}'}},",
        "]",
    ),
    hostile(
        P,
        "[secrets.a#]\nkind='external'\n[secrets.b#]\nkind='command'\nargv=['/x']\nuses=['a#']\n",
        "",
    ),
    hostile("x = '''\n", "a = 'b\n", ""),
];

/// The steps it takes to read a file of this length, and to say in every form what is wrong.
fn steps(bytes: usize, file: &Hostile) -> usize {
    let mut text = file.before.to_owned();
    for i in 0.. {
        if text.len() >= bytes {
            break;
        }
        text.push_str(&file.part.replace('#', &i.to_string()));
    }
    text.push_str(file.after);
    effort::spent();
    let (ours, mut problems) = read("production", &text);
    let (theirs, _) = read("staging", &text);
    let both = [ours, theirs];
    problems.extend(cross::places(&both));
    problems.extend(cross::accounts(&both));
    problems.extend(cross::missing_variables(&[&both[0], &both[1]]));
    gate_rules::rules(&both[0], both[0].programs.first(), &both[1..]);
    super::rendered(&problems, &[Source::new(&both[0].file, text)]);
    render::github(&problems);
    effort::spent()
}

#[test]
fn a_file_costs_as_much_as_it_is_long() {
    let mut dear = String::new();
    for file in HOSTILE {
        let (small, large) = (steps(6_000, file), steps(12_000, file));
        // Problems and guesses are capped, so the ratio alone would miss work of each problem.
        if large > small * 5 / 2 || large > 12_000 * 50 {
            let part = file.part;
            dear.push_str(&format!(
                "{part:?}: {small} steps, {large} in twice the length\n"
            ));
        }
    }
    assert_eq!(dear, "");
}

#[test]
fn a_schedule_is_a_regular_file_of_a_bounded_size() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let made = std::process::Command::new("mkfifo")
        .arg(at("pipe.toml"))
        .status();
    assert!(made.unwrap().success());
    std::fs::create_dir(at("directory.toml")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("socket.toml")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", at("device.toml")).unwrap();
    std::fs::write(at("large.toml"), vec![b'#'; FILE_BYTES_MAX + 1]).unwrap();
    std::fs::write(at("full.toml"), vec![b'#'; FILE_BYTES_MAX]).unwrap();
    let (said, heard) = mpsc::channel();
    let path = directory.path().to_owned();
    std::thread::spawn(move || {
        let loaded = load(&path, None, now());
        let lines = loaded.diagnostics.iter().map(|d| {
            let file = d.file.file_stem().and_then(|f| f.to_str());
            format!("{} {}", file.unwrap_or_default(), d.what)
        });
        said.send(lines.collect::<Vec<_>>())
    });
    let told = heard.recv_timeout(Duration::from_secs(60)).unwrap();
    let what = "is not a regular file: it is a directory, a pipe, a device or a socket";
    assert_eq!(
        told,
        [
            format!("device {what}"),
            format!("directory {what}"),
            "full `environment` is missing".to_owned(),
            format!("large is longer than {FILE_BYTES_MAX} bytes"),
            format!("pipe {what}"),
            format!("socket {what}"),
        ]
    );
    assert!(Source::read(Path::new("/dev/null")).is_err());
}
