//! Whole rotations, step by step as the engine takes them, with the stock client as witness.

use keyrota::rotators::database::Users;
use keyrota_contract::Probe::{Accepted, Rejected};
use keyrota_contract::Which::{Current, Pending, Previous};
use keyrota_contract::{Overlap, Rotator, RotatorError, Target};

use super::bed::{Bed, OLD, promote};
use crate::support::leaks::Leaks;
use crate::support::mariadb::{Mariadb, PASSWORD_CHECK, REUSE_CHECK};

/// The values are in nothing the server writes down about statements.
fn not_logged(bed: &Bed, passwords: &[&str]) {
    let named: Vec<_> = passwords.iter().map(|p| ("a password", *p)).collect();
    let statements = bed.server.statements();
    assert!(statements.contains("ALTER USER") || statements.contains("SET PASSWORD"));
    let found = Leaks::of(&named).find(statements.as_bytes()).len();
    assert_eq!(found, 0, "passwords in the general log");
}

#[tokio::test]
async fn two_users_take_turns() {
    let bed = Bed::two(Mariadb::shared()).await;
    let mut m = bed.material();
    let rotator = bed.rotator();
    let target = rotator.target().unwrap();
    assert_eq!(target.overlap(), Overlap::Dual);
    assert_eq!(target.uses(), ["admin"]);
    let expected = format!(
        "mysql://127.0.0.1:{} {} {}",
        bed.server.port(),
        bed.user("a"),
        bed.user("b")
    );
    assert_eq!(target.account(), expected);

    let mut passwords = vec![OLD.to_owned()];
    for (now, then) in [("a", "b"), ("b", "a"), ("a", "b")] {
        let report = rotator.preflight(&m).await.unwrap();
        assert!(report.warnings.is_empty() && report.server.is_some());
        assert_eq!(rotator.control(&m).await, Rejected);
        bed.create(&mut m);
        assert_eq!(bed.login(&m.current).0, bed.user(now));
        assert_eq!(bed.login(&m.pending).0, bed.user(then));
        passwords.push(bed.login(&m.pending).1);

        assert_eq!(bed.probe(Pending, &m).await, Rejected);
        for _ in 0..2 {
            bed.install(Pending, &m).await.unwrap();
            assert_eq!(bed.probe(Pending, &m).await, Accepted);
            assert_eq!(bed.probe(Current, &m).await, Accepted);
        }
        assert!(refused(bed.install(Current, &m).await), "it is in use");
        assert!(refused(rotator.refuse(Current, &m).await), "it is in use");

        promote(&mut m);
        assert_eq!(bed.client(&m.previous), Ok(()), "during the grace");
        for _ in 0..2 {
            rotator.refuse(Previous, &m).await.unwrap();
            assert_eq!(bed.probe(Previous, &m).await, Rejected);
            assert_eq!(bed.client(&m.previous), Err(1045));
            assert_eq!(bed.client(&m.current), Ok(()));
        }
    }
    not_logged(
        &bed,
        &passwords.iter().map(String::as_str).collect::<Vec<_>>(),
    );
}

#[tokio::test]
async fn an_abandoned_turn_leaves_the_user_locked_out() {
    let bed = Bed::two(Mariadb::shared()).await;
    let mut m = bed.material();
    bed.create(&mut m);
    bed.install(Pending, &m).await.unwrap();
    bed.rotator().refuse(Pending, &m).await.unwrap();
    assert_eq!(bed.client(&m.pending), Err(1045));
    assert_eq!(bed.client(&m.current), Ok(()));
}

#[tokio::test]
async fn one_user_has_two_passwords_for_a_while() {
    let mut bed = Bed::one(Mariadb::shared()).await;
    bed.settings.admin = Some("admin".to_owned());
    let rotator = bed.rotator();
    assert_eq!(rotator.overlap(), Overlap::Dual);
    let mut m = bed.material();
    let mut passwords = vec![OLD.to_owned()];
    for _ in 0..2 {
        rotator.preflight(&m).await.unwrap();
        bed.create(&mut m);
        passwords.push(bed.login(&m.pending).1);
        // Repeated, abandoned, begun again: the current one works throughout.
        for _ in 0..2 {
            for _ in 0..2 {
                bed.install(Pending, &m).await.unwrap();
                assert_eq!(bed.client(&m.pending), Ok(()));
                assert_eq!(bed.client(&m.current), Ok(()));
            }
            rotator.preflight(&m).await.unwrap();
            rotator.refuse(Pending, &m).await.unwrap();
            assert_eq!(bed.client(&m.pending), Err(1045));
            assert_eq!(bed.client(&m.current), Ok(()));
        }
        bed.install(Pending, &m).await.unwrap();
        promote(&mut m);
        assert_eq!(bed.probe(Previous, &m).await, Accepted);
        for _ in 0..2 {
            rotator.refuse(Previous, &m).await.unwrap();
            assert_eq!(bed.probe(Previous, &m).await, Rejected);
            assert_eq!(bed.client(&m.previous), Err(1045));
            assert_eq!(bed.client(&m.current), Ok(()));
        }
        assert!(refused(rotator.refuse(Current, &m).await));
    }
    not_logged(
        &bed,
        &passwords.iter().map(String::as_str).collect::<Vec<_>>(),
    );
}

/// With an administrator, and as the user that changes itself and has no right to change anybody.
#[tokio::test]
async fn one_user_has_one_password_then_another() {
    for admin in [Some("admin".to_owned()), None] {
        let mut bed = Bed::one(Mariadb::shared()).await;
        bed.settings.admin = admin;
        bed.settings.one_at_a_time = true;
        let rotator = bed.rotator();
        assert_eq!(rotator.overlap(), Overlap::Replace);
        let mut m = bed.material();
        rotator.preflight(&m).await.unwrap();
        assert_eq!(rotator.control(&m).await, Rejected);
        bed.create(&mut m);
        assert!(refused(rotator.refuse(Current, &m).await));
        for _ in 0..2 {
            bed.install(Pending, &m).await.unwrap();
            assert_eq!(bed.client(&m.pending), Ok(()));
            assert_eq!(bed.client(&m.current), Err(1045));
        }
        // The way back, and forward again.
        for _ in 0..2 {
            bed.install(Current, &m).await.unwrap();
            assert_eq!(bed.client(&m.current), Ok(()));
            rotator.refuse(Pending, &m).await.unwrap();
            assert_eq!(bed.probe(Pending, &m).await, Rejected);
        }
        bed.install(Pending, &m).await.unwrap();
        promote(&mut m);
        rotator.refuse(Previous, &m).await.unwrap();
        assert_eq!(bed.client(&m.previous), Err(1045));
        let password = bed.login(&m.current).1;
        not_logged(&bed, &[OLD, &password]);
    }
}

/// A server that judges passwords takes no hashes: it is sent the passwords, and says no to some.
#[tokio::test]
async fn a_server_that_judges_passwords() {
    let options = [PASSWORD_CHECK, "--simple-password-check-minimal-length=12"];
    let server = std::sync::Arc::new(Mariadb::start(&options));
    let bed = Bed::two(server.clone()).await;
    let mut m = bed.material();
    let rotator = bed.rotator();
    assert_eq!(rotator.preflight(&m).await.unwrap().warnings.len(), 1);
    bed.create(&mut m);
    bed.install(Pending, &m).await.unwrap();
    assert_eq!(bed.client(&m.pending), Ok(()));
    // The README says so; if a server ever hides it, the README can say less.
    assert!(server.statements().contains(&bed.login(&m.pending).1));
    promote(&mut m);
    rotator.refuse(Previous, &m).await.unwrap();
    rotator.refuse(Previous, &m).await.unwrap();
    assert_eq!(bed.client(&m.previous), Err(1045));

    for way_back in [false, true] {
        let mut bed = Bed::one(server.clone()).await;
        bed.settings.users = Users::One(bed.user("a"));
        bed.settings.admin = Some("admin".to_owned());
        bed.settings.one_at_a_time = way_back;
        let mut m = bed.material();
        bed.create(&mut m);
        bed.install(Pending, &m).await.unwrap();
        assert_eq!(bed.client(&m.pending), Ok(()));
        assert_eq!(bed.client(&m.current).is_ok(), !way_back);
    }

    server
        .run("SET GLOBAL simple_password_check_minimal_length = 40".to_owned())
        .await
        .unwrap();
    bed.create(&mut m);
    match bed.install(Pending, &m).await {
        Err(RotatorError::Refused(why)) => assert!(why.contains("policy"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(bed.client(&m.current), Ok(()));
}

/// A server that refuses every password that an account has had. What is repeated, and what is done
/// anew beside the same current value, is done; a single user's way back is not, and that is told.
#[tokio::test]
async fn a_server_that_remembers_passwords() {
    let server = std::sync::Arc::new(Mariadb::start(&[REUSE_CHECK]));
    let bed = Bed::two(server.clone()).await;
    let mut m = bed.material();
    let rotator = bed.rotator();
    for _ in 0..3 {
        rotator.preflight(&m).await.unwrap();
        // A candidate that is given up, then one that is not.
        for given_up in [true, false] {
            bed.create(&mut m);
            for _ in 0..3 {
                bed.install(Pending, &m).await.unwrap();
                assert_eq!(bed.client(&m.pending), Ok(()));
            }
            if given_up {
                for _ in 0..3 {
                    rotator.refuse(Pending, &m).await.unwrap();
                    assert_eq!(bed.client(&m.pending), Err(1045));
                }
                // One that it has had and does not have is refused, and called so.
                match bed.install(Pending, &m).await {
                    Err(RotatorError::Refused(why)) => assert!(why.contains("has had"), "{why}"),
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(bed.client(&m.current), Ok(()));
        }
        promote(&mut m);
        for _ in 0..3 {
            rotator.refuse(Previous, &m).await.unwrap();
            assert_eq!(bed.client(&m.previous), Err(1045));
            assert_eq!(bed.client(&m.current), Ok(()));
        }
    }

    for (admin, one_at_a_time) in [(true, false), (true, true), (false, true)] {
        let mut bed = Bed::one(server.clone()).await;
        bed.settings.admin = admin.then(|| "admin".to_owned());
        bed.settings.one_at_a_time = one_at_a_time;
        let m = bed.material();
        let complaint = bed.complaint(&m).await;
        assert!(complaint.contains("the way back"), "{complaint:?}");
        // It does not see hashes.
        bed.run("SET GLOBAL strict_password_validation = 0").await;
        assert_eq!(bed.complaint(&m).await, "");
        bed.run("SET GLOBAL strict_password_validation = 1").await;
    }
}

fn refused(done: Result<(), RotatorError>) -> bool {
    matches!(done, Err(RotatorError::Refused(_)))
}
