//! How often a store is asked in one rotation of two Postgres users.

use std::collections::BTreeMap;

use super::bed::{Bed, Stores, admin, turns};
use crate::recovery::databases::on_postgres;

/// Reads of a whole rotation, and its writes with the calls that ask for rights, as providers/README.md tells them with their reasons.
const CALLS: [(&str, usize, usize); 3] = [("sm", 19, 4), ("ssm", 31, 6), ("vault", 35, 4)];

#[test]
fn a_rotation_asks_no_store_more_than_it_must() {
    let stores = Stores::start();
    let mut told = Vec::new();
    for (provider, ..) in CALLS {
        let ground = on_postgres(2);
        let login = admin("admin", provider, "team/admin");
        let secret = ground.secret("database", &turns("admin", provider, "team/database"));
        let bed = Bed::new(stores.clone(), &(login + &secret));
        bed.import("database", "admin", &ground);
        bed.run(&["rotate", "database", "--wait"]).code(0);
        stores.proxy.spoil(None);
        let known = stores.bao.calls().len();
        bed.run(&["rotate", "database", "--wait"]).code(0);
        let calls = match provider {
            "vault" => stores.bao.calls().split_off(known),
            _ => stores.proxy.calls(),
        };
        let looks = |call: &&String| {
            let words = ["Get", "Describe", "read ", "update sys/capabilities-self"];
            words.iter().any(|w| call.starts_with(w))
        };
        let looked = calls.iter().filter(looks).count();
        let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
        for call in &calls {
            *counted.entry(call).or_default() += 1;
        }
        println!(
            "{provider}: {} calls, {looked} of them look: {counted:#?}",
            calls.len()
        );
        println!("{calls:?}");
        told.push((provider, looked, calls.len() - looked));
    }
    assert_eq!(told, CALLS);
}
