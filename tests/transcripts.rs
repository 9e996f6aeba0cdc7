//! What the command line says, word by word. Whoever changes a sentence runs this with `TRYCMD=overwrite` and
//! sees the change in review: `TRYCMD=overwrite cargo nextest run -E 'test(transcripts)'`.

/// Every subcommand's help, and typical errors.
#[test]
fn transcripts_are_what_the_command_line_says() {
    let cases = trycmd::TestCases::new();
    cases.default_bin_name("keyrota");
    cases.case("tests/transcripts/*.trycmd");
}
