//! Which entries of the log are signed as soon as they are written.

use super::audit::SCHEDULE;
use crate::support::keyrota::Keyrota;

#[test]
fn what_begins_a_wait_and_what_a_person_leaves_is_signed_at_once() {
    let keyrota = Keyrota::in_temp();
    let schedule = SCHEDULE.replace("refresh = \"0s\"", "refresh = \"1h\"");
    keyrota.write("schedules/development.toml", &schedule);
    keyrota.run(&["rotate", "token"]).code(0);
    for args in [
        &["rotate", "token"][..],
        &["clock", "--accept", "--reason", "CHG-1"],
        &["audit", "export", "--to", "out"],
    ] {
        keyrota.run(args).code(0);
        let answer = keyrota.run(&["audit", "verify", "--json"]).code(0).json();
        for place in ["state", "outside"] {
            let signed = &answer["signed_up_to"][place];
            assert_eq!(*signed, answer["entries"], "{args:?}, {place}");
        }
    }
}
