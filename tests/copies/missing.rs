//! A copy whose store is away: the grace waits, and says for whom.

use super::bed::{Bed, VAULT};
use crate::support::proxy::Wire;

#[test]
fn the_grace_does_not_begin_before_every_copy_has_it() {
    let mut bed = Bed::new("1s");
    let server = bed.stores.bao.socket().port();
    let wire = Wire::to(server);
    bed.write_schedule("1s", wire.port());
    let rotate = ["rotate", "database", "--wait"];
    bed.run(&rotate).code(0);
    let old = bed.follows();
    let rotation = |bed: &Bed| {
        let status = bed.run(&["status", "database", "--json"]).code(0).json();
        status["secrets"][0]["rotation"].clone()
    };
    // One effect at a time, until the copies are next.
    for _ in 0..20 {
        let kill = Some("after-outcome:1");
        bed.stores.run(&bed.database.keyrota, &rotate, kill);
        if rotation(&bed)["phase"] == "switch" {
            break;
        }
    }
    let all = rotation(&bed);
    assert_eq!(all["phase"], "switch", "{all}");
    assert_eq!(all["missing"].as_array().unwrap().len(), 3, "{all}");
    // Nothing listens on port 1.
    wire.lead_to(1);
    wire.cut();
    let ran = bed.run(&["rotate", "database"]).code(21);
    assert!(
        ran.stdout.contains("no connection to the server"),
        "{ran:?}"
    );
    let waits = rotation(&bed);
    let missing = format!("copy:vault:{VAULT}");
    assert_eq!(waits["phase"], "switch", "{waits}");
    assert_eq!(waits["missing"], serde_json::json!([missing]), "{waits}");
    for args in [&["status"][..], &["status", "database"]] {
        let said = bed.run(args).code(0).stdout;
        assert!(said.contains(&missing), "{said}");
    }
    // Readers of that copy still have what works.
    assert_eq!(bed.stores.in_vault(VAULT).as_ref(), Some(&old));
    assert_eq!(bed.database.client(&old), Ok(()));
    bed.database.sound();
    wire.lead_to(server);
    bed.run(&rotate).code(0);
    assert_ne!(bed.follows(), old);
    assert!(bed.database.client(&old).is_err());
}
