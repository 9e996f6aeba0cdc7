//! `kill -9` around every effect of a rotation of two Postgres users whose login stands, whole or in
//! part, in three other stores too: at every instant each copy holds what logs in.

use std::os::unix::process::ExitStatusExt;

use super::bed::{Bed, SM, SSM, VAULT};
use crate::databases::bed::login;
use crate::recovery::{EFFECTS_MAX, POINTS, on_two_threads};
use crate::support::evidence::block_on;

#[test]
fn whoever_reads_a_copy_logs_in_wherever_a_rotation_dies() {
    let kills = on_two_threads(POINTS.into_iter().map(|point| move || deaths_at(point)));
    println!("a login and its copies: {kills} kills, 0 violations");
    assert!(kills >= 50, "{kills} kills");
}

/// Kills at one point, the n-th time for each n until the process ends by itself.
fn deaths_at(point: &'static str) -> u32 {
    let bed = Bed::new("0s");
    let rotate = ["rotate", "database", "--wait"];
    bed.run(&rotate).code(0);
    let versions = || {
        let meta = block_on(bed.stores.bao.metadata(VAULT));
        meta["current_version"].as_u64().unwrap()
    };
    let mut kills = 0;
    for n in 1..EFFECTS_MAX {
        let case = format!("{point}:{n}");
        let (old, before) = (bed.follows(), versions());
        let mut command = bed.database.keyrota.command(&rotate);
        bed.stores.moto.tell(&mut command, &bed.stores.moto.admin);
        command.stdin(std::process::Stdio::null());
        let ended = command.env("KEYROTA_KILL", &case).output().unwrap();
        let killed = ended.status.signal() == Some(9);
        assert!(killed || ended.status.success(), "{case}: {ended:?}");
        let seen = bed.database.value("current").unwrap();
        assert_eq!(bed.database.client(&seen), Ok(()), "{case}: current");
        // Each copy is of one value that is known, and that value logs in.
        let known = [&old, &seen];
        let stands = |copy: &str, render: fn(&(String, String)) -> String| {
            let of = known.into_iter().find(|v| render(&login(v)) == copy);
            let of = of.unwrap_or_else(|| panic!("{case}: a third value"));
            assert_eq!(bed.database.client(of), Ok(()), "{case}: a copy");
        };
        let whole = bed.stores.in_vault(VAULT).unwrap();
        assert!(known.contains(&&whole), "{case}: a third value");
        assert_eq!(bed.database.client(&whole), Ok(()), "{case}: a copy");
        stands(&bed.stores.in_ssm(SSM), |(_, password)| password.clone());
        stands(&bed.stores.in_sm(SM), |(user, password)| {
            format!("{user} {password}")
        });
        if killed {
            kills += 1;
            bed.run(&rotate).code(0);
        }
        let new = bed.follows();
        assert_ne!(new, old, "{case}");
        assert!(bed.database.client(&old).is_err(), "{case}: the old one");
        // Killed when all was done: what followed was a turn of its own.
        let made = versions() - before;
        let two = made == 2 && seen != old && seen != new;
        assert!(made == 1 || two, "{case}: {made} versions");
        if !killed {
            break;
        }
    }
    let log = bed.run(&["audit", "list", "--limit", "10000"]).code(0);
    assert_eq!(super::bed::drifts(&log), 0, "{point}");
    kills
}
