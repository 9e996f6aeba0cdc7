#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use proptest::prelude::*;

use super::*;

fn sound(file: &str) -> Vec<Entry> {
    let parser = Parser::read(file.as_bytes());
    assert_eq!(parser.problems, [], "{file:?}");
    parser.entries
}

/// Names and values of a file that must be sound.
fn read(file: &str) -> Vec<(String, String)> {
    let entries = sound(file);
    let pair = |entry: Entry| {
        (
            entry.name.clone(),
            String::from_utf8(entry.into_value()).unwrap(),
        )
    };
    entries.into_iter().map(pair).collect()
}

fn value(line: &str) -> String {
    let entries = read(line);
    assert_eq!(entries.len(), 1, "{line}: {entries:?}");
    entries.into_iter().next().unwrap().1
}

fn problems(file: &[u8]) -> Vec<(u32, u32, What)> {
    Parser::read(file)
        .problems
        .into_iter()
        .map(|problem| (problem.line, problem.column, problem.what))
        .collect()
}

#[test]
fn values_of_the_dialect() {
    let cases = [
        ("A=b", "b"),
        ("A=", ""),
        ("A=''", ""),
        ("A=\"\"", ""),
        ("  export\tA = b \t", "b"),
        ("A=b # comment", "b"),
        ("A= # comment", ""),
        ("A=b#c", "b#c"),
        ("A=b c", "b c"),
        ("A=b=c", "b=c"),
        ("A=pa$$word\\d", "pa$$word\\d"),
        ("A=it's", "it's"),
        ("A='b # \\n \"c\" $D'", "b # \\n \"c\" $D"),
        ("A=\"b # c\" # comment", "b # c"),
        ("A=\"\\n\\r\\t\\\\\\\"\\$\\`\\d\"", "\n\r\t\\\"$`\\d"),
        ("A=\"b\\\nc\"", "bc"),
        ("A=\"b\\\r\nc\"", "bc"),
        ("A=\"b\nc\n\"", "b\nc\n"),
        ("A='b\r\nc'\r\n", "b\nc"),
        ("A=b\r\n", "b"),
        ("A=b\\\\x", "b\\\\x"),
        ("A=\"b\\\\\"", "b\\"),
        ("\u{feff}A=b", "b"),
        ("A=öß", "öß"),
    ];
    for (line, expected) in cases {
        assert_eq!(value(line), expected, "{line:?}");
    }
}

#[test]
fn a_file_keeps_its_order_and_lines() {
    let file = "# a comment\r\n\r\n; another\nB=1\nexport A=\"2\n3\"\n   \nC='4'\n";
    let entries = sound(file);
    let places: Vec<_> = entries
        .iter()
        .map(|entry| (entry.name.as_str(), entry.line))
        .collect();
    assert_eq!(places, [("B", 4), ("A", 5), ("C", 8)]);
    assert_eq!(read(""), []);
}

#[test]
fn every_mistake_is_placed() {
    let file = b"A=1\nnot a line\n 2B=3\nA=4\nC=\"5\"x\nD=`date`\nE=a\\\nF=a\0b\nG='\0'\nexport A\n=x\nX Y=1\nZ=\"never";
    let duplicate = What::Duplicate {
        name: "A".into(),
        first_line: 1,
    };
    let expected = [
        (2, 1, What::NoAssignment),
        (3, 2, What::BadName),
        (4, 1, duplicate),
        (5, 6, What::AfterQuote),
        (6, 3, What::Ambiguous),
        (7, 3, What::Ambiguous),
        (8, 4, What::Nul),
        (9, 4, What::Nul),
        (10, 8, What::NoAssignment),
        (11, 1, What::BadName),
        (12, 1, What::BadName),
        (13, 3, What::Unterminated),
    ];
    assert_eq!(problems(file), expected);
    assert_eq!(problems(b"A=\"\\\""), [(1, 3, What::Unterminated)]);
    assert_eq!(problems(b"A='b'# comment"), [(1, 6, What::AfterQuote)]);
    assert_eq!(problems(b"A=#fff"), [(1, 3, What::Ambiguous)]);
}

#[test]
fn a_key_needs_quotes() {
    let key = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQ==\n-----END PRIVATE KEY-----";
    assert_eq!(value(&format!("KEY=\"{key}\n\"")), format!("{key}\n"));
    assert_eq!(value(&format!("KEY=\"{}\"", key.replace('\n', "\\n"))), key);
    let bare = format!("KEY={key}\nB=1\nB=2\n");
    let duplicate = What::Duplicate {
        name: "B".into(),
        first_line: 4,
    };
    assert_eq!(
        problems(bare.as_bytes()),
        [(1, 5, What::UnquotedPem), (5, 1, duplicate)]
    );
}

#[test]
fn a_file_has_a_largest_size() {
    let mut file = b"A=".to_vec();
    file.resize(ENV_FILE_BYTES_MAX, b'x');
    assert_eq!(parse_env_file(&file, &|_| true).unwrap().entries.len(), 1);
    file.push(b'x');
    assert_eq!(problems(&file), [(1, 1, What::TooLarge)]);
}

#[test]
fn an_entry_does_not_show_its_value() {
    let entries = sound("A=canary");
    assert_eq!(
        format!("{entries:?}"),
        "[Entry { name: \"A\", line: 1, .. }]"
    );
    assert_eq!(entries[0].value(), b"canary");
}

/// A value in double quotes, as keyrota writes it.
fn quote(value: &str) -> String {
    let mut quoted = String::from("\"");
    for c in value.chars() {
        if "\\\"$`".contains(c) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted + "\""
}

proptest! {
    #[test]
    fn quoted_values_come_back(values in prop::collection::vec("[ -~\n\tä]{0,20}", 0..6)) {
        let file: String = values.iter().enumerate().map(|(at, value)| format!("V{at}={}\n", quote(value))).collect();
        let read: Vec<String> = read(&file).into_iter().map(|(_, value)| value).collect();
        prop_assert_eq!(read, values);
    }

    #[test]
    fn single_quotes_are_literal(value in r"([ -&(-\[\]-~\n]|\\[A-Za-z0-9 ]){0,40}") {
        prop_assert_eq!(super::tests::value(&format!("A='{value}' # end")), value);
    }

    #[test]
    fn nothing_panics_and_no_value_is_shown(file in "((export )?[A-Z]{0,2}[ =]{0,2}[\"'`]?(ca-nary|-----BEGIN |\\\\)?[\"'\0]?(\r?\n)?){0,8}") {
        let parser = Parser::read(file.as_bytes());
        let lines: Vec<String> = parser.problems.iter().map(LineProblem::to_string).collect();
        let shown = format!("{:?} {:?} {lines:?}", parser.entries, parser.problems);
        prop_assert!(!shown.contains("ca-nary"), "{}", shown);
    }

    #[test]
    fn any_bytes_are_read(file in prop::collection::vec(prop::sample::select(b"A=\"'\\\n\r #`\0\xff\xc2\xa0".to_vec()), 0..60)) {
        let lines = file.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
        let problems = Parser::read(&file).problems;
        prop_assert!(problems.iter().all(|problem| (1..=lines).contains(&(problem.line as usize))));
    }
}

/// What the schedule does not name costs no file, and what it names is never guessed.
#[test]
fn mistakes_count_where_they_touch_what_is_wanted() {
    let wanted = |name: &str| name == "A";
    let skipped = |file: &str| {
        let read = parse_env_file(file.as_bytes(), &wanted).unwrap();
        let entries = read.entries.into_iter().filter(|e| e.name == "A");
        let values: Vec<_> = entries
            .map(|e| String::from_utf8(e.into_value()).unwrap())
            .collect();
        assert_eq!(values, ["1"], "{file:?}");
        read.skipped.into_iter().map(|s| s.line).collect::<Vec<_>>()
    };
    let foreign = "spring.datasource.url=x\na-b='y\nA=2\n'\nX=`date`\nX=#fff\nX='a'b\n2=3\nC D=1\n=x\n\nword\nX=\"\\a\"\nA=1\nX=2\nX=3";
    assert_eq!(skipped(foreign), [1, 2, 5, 6, 7, 8, 9, 10, 12, 13, 16]);
    assert_eq!(
        skipped("X=-----BEGIN K-----\nMC4=\n-----END K-----\nA=1"),
        [1]
    );
    assert_eq!(skipped("X=-----BEGIN K-----\nA=1"), [1]);
    assert_eq!(skipped("A=1\n\nword"), [3]);
    for (file, line, what) in [
        ("A=1\nword", 2, What::NoAssignment),
        ("X=a\\\nA=1", 2, What::Continued),
        ("'A'=1", 1, What::QuotedName),
        ("\"A=1\"", 1, What::QuotedName),
        ("#\nexport A", 2, What::NoAssignment),
        ("X='it\\'s'\nA=1", 1, What::QuoteEnd),
        ("X=`\nA=1", 1, What::QuoteEnd),
        ("X=\"\nA=1", 1, What::Unterminated),
        ("A='a\\\\b'", 1, What::Escape),
        ("A=\"a\\'b\"", 1, What::Escape),
    ] {
        let problems = parse_env_file(file.as_bytes(), &wanted).unwrap_err();
        let found = (problems[0].line, problems[0].what.clone());
        assert_eq!(found, (line, what), "{file:?}");
    }
}

#[test]
fn spaces_that_are_not_ascii_are_named() {
    let wanted = |name: &str| name == "A";
    let told = |file: &str| parse_env_file(file.as_bytes(), &wanted).unwrap_err()[0].to_string();
    for space in ["\u{a0}", "\u{2003}", "\u{3000}", "\u{b}", "\u{2028}"] {
        for file in [
            "_A=1",
            "A_=1",
            "A=_1",
            "A=1_",
            "A=1 _",
            "A=1_# c",
            "export_A=1",
            "A= _\"1\"",
            "\u{feff}\n_A=1",
        ] {
            let told = told(&file.replace('_', space));
            assert!(told.contains("a space that is not ASCII"), "{file}: {told}");
        }
        assert_eq!(value(&format!("A='1{space}'")), format!("1{space}"));
        assert_eq!(value(&format!("A=1{space}2")), format!("1{space}2"));
    }
    assert!(told("B=1\n\u{feff}A=1").contains("line 2, column 1: U+FEFF, an invisible character"));
}

#[test]
fn another_encoding_is_named() {
    let text = "# a\r\nA=b\r\n";
    for (mark, encoding) in [("\u{feff}", "with"), ("", "without")] {
        let text = format!("{mark}{text}");
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(
            problems(&little),
            [(1, 1, What::Encoding("UTF-16LE"))],
            "{encoding}"
        );
        assert_eq!(
            problems(&big),
            [(1, 1, What::Encoding("UTF-16BE"))],
            "{encoding}"
        );
    }
}

#[test]
fn every_line_end_is_one() {
    for end in ["\n", "\r\n", "\r"] {
        let file = "A=1\n# c\nB='x\ny'\nC=\"z\n\"\n\nD=`\n".replace('\n', end);
        assert_eq!(
            problems(file.as_bytes()),
            [(8, 3, What::QuoteEnd)],
            "{end:?}"
        );
        let values = Parser::read(file.as_bytes())
            .entries
            .into_iter()
            .map(Entry::into_value);
        let expected: [&[u8]; 3] = [b"1", b"x\ny", b"z\n"];
        assert!(values.eq(expected), "{end:?}");
    }
}
