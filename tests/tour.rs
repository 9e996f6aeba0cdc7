//! The tour that README.md shows is run, as `cargo test` has built it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn the_tour_ends_well_and_leaves_nothing() {
    let programs = Path::new(env!("CARGO_BIN_EXE_keyrota")).parent().unwrap();
    let tour = programs.join("examples/tour");
    assert!(
        tour.exists(),
        "`cargo test --test` builds no examples: cargo build --example tour"
    );
    let place = tempfile::tempdir().unwrap();
    // The server runs as another user, if this is root.
    let open = std::fs::Permissions::from_mode(0o711);
    std::fs::set_permissions(place.path(), open).unwrap();
    let output = Command::new(tour)
        .env("TMPDIR", place.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let told = format!("{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}");
    assert!(said.ends_with("through a kill -9: 0 refused.\n"), "{told}");
    assert!(
        said.contains("KILLED") && said.contains("\n     sound\n"),
        "{told}"
    );
    let left: Vec<_> = std::fs::read_dir(place.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
