//! The commands that only look.

use crate::support::keyrota::Keyrota;

#[test]
fn without_a_schedule_there_is_a_way_on() {
    let keyrota = Keyrota::in_temp();
    let ran = keyrota.run(&["rotate", "--all"]).code(78);
    assert!(ran.stderr.contains("keyrota init"), "{ran:?}");
    assert_eq!(ran.stdout, "");
}
