use super::*;

#[test]
fn a_manifest_is_one_line_of_ours_and_nothing_else() {
    let line = extension(Format::Csv, 3, "aa", TOOL);
    let taken = |extensions: &[&str]| {
        let checkpoint = Checkpoint {
            chain: Uuid::nil(),
            size: 7,
            hash: [9; 32],
            extensions: extensions.iter().map(|&e| e.to_owned()).collect(),
        };
        Manifest::signed(&checkpoint).is_some()
    };
    assert!(taken(&[&line]));
    for other in [
        String::new(),
        "export".to_owned(),
        format!("{line} more"),
        format!("{line} "),
        line.replace("export", "import"),
        line.replace("csv", "xml"),
        line.replace(" 3 ", " 03 "),
        line.replace(" 3 ", " +3 "),
    ] {
        assert!(!taken(&[&other]), "{other:?}");
    }
    assert!(!taken(&[]));
    assert!(!taken(&[&line, "more"]));
}
