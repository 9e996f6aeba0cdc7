//! pgbouncer between the application and the server: it keeps sessions of its own, and a list of
//! passwords that may be behind.

use keyrota::rotators::database::{Endpoint, Form};
use keyrota_contract::{Probe, Rotator, RotatorError, Target, Which};

use super::bed::{Bed, FIRST, attempt};
use crate::support::pooler::Pooler;
use crate::support::postgres::Postgres as Server;

/// Moves the application's end to the pooler; the current value with it.
fn behind(bed: &mut Bed, pooler: &Pooler) {
    let direct = bed.settings.endpoint.clone();
    let Form::Url(template) = &mut bed.settings.form else {
        panic!("a url")
    };
    *template = template.replace(&direct.port.to_string(), &pooler.port.to_string());
    bed.settings.endpoint = Endpoint {
        port: pooler.port,
        ..direct.clone()
    };
    bed.settings.server = Some(direct);
    bed.m.current = Some(bed.value(&bed.user(0), FIRST));
}

#[tokio::test]
async fn a_pooler_is_seen_and_its_list_waited_for() {
    for mode in ["transaction", "session"] {
        let mut bed = Bed::two(Server::start().into()).await;
        let pooler = Pooler::start(&bed.server, mode);
        behind(&mut bed, &pooler);
        let (a, b, admin) = (bed.user(0), bed.user(1), bed.admin());
        let known = [(a.as_str(), FIRST), (admin.as_str(), "the administrator's")];
        pooler.knows(&known);

        // Without the server's own address, it is refused to go on.
        let direct = bed.settings.server.take();
        let said = bed.rotator().preflight(&bed.m).await;
        assert!(
            matches!(said, Err(RotatorError::Refused(s)) if s.contains("with `server`")),
            "{mode}: {said:?}"
        );
        bed.settings.server = direct;

        let rotator = bed.rotator();
        let report = rotator.preflight(&bed.m).await.unwrap();
        assert!(report.server.unwrap().starts_with("postgres 7"));
        assert_eq!(rotator.control(&bed.m).await, Probe::Rejected, "{mode}");
        bed.mint();
        rotator
            .install(Which::Pending, attempt(), &bed.m)
            .await
            .unwrap();
        // The server knows it, the pooler does not.
        assert_eq!(bed.probe(Which::Pending).await, Probe::Blocked, "{mode}");
        let pending = &bed.m.pending.as_ref().unwrap().value;
        let new = bed.settings.login(pending).unwrap().password;
        pooler.knows(&[known[0], known[1], (b.as_str(), new.as_str())]);
        assert_eq!(bed.probe(Which::Pending).await, Probe::Accepted, "{mode}");
        assert_eq!(bed.probe(Which::Current).await, Probe::Accepted, "{mode}");

        bed.promote();
        rotator.refuse(Which::Previous, &bed.m).await.unwrap();
        // Refused by the server; the pooler would still let it in.
        assert_ne!(bed.probe(Which::Previous).await, Probe::Rejected, "{mode}");
        pooler.knows(&[known[1], (b.as_str(), new.as_str())]);
        assert_eq!(bed.probe(Which::Previous).await, Probe::Rejected, "{mode}");

        let Some(server) = &mut bed.settings.server else {
            panic!("it was given")
        };
        server.port = pooler.port;
        let said = bed.rotator().preflight(&bed.m).await;
        assert!(
            matches!(said, Err(RotatorError::Refused(s)) if s.contains("with `server`")),
            "{mode}: {said:?}"
        );
    }
}
