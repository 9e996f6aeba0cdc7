//! The lines of an export: an entry's bytes as they are, beside its hashes.

use std::io::{self, BufRead};

use data_encoding::HEXLOWER;
use serde_json::Value;

use super::bounded::{self, LINE_BYTES_MAX, Line};
use super::{Copies, Row, Verifier, canonical};

const COLUMNS: [&str; 9] = [
    "seq",
    "ts_us",
    "event",
    "env",
    "secret",
    "rotation",
    "prev_hash",
    "hash",
    "body",
];

/// The first line of a table.
pub(super) fn csv_header() -> Vec<u8> {
    csv_line(COLUMNS.map(|c| c.as_bytes().to_vec()))
}

/// One line, with the body's bytes inside as they are; `None` if they are not an entry.
pub(super) fn json_line(row: &Row) -> Option<Vec<u8>> {
    canonical::read(&row.body).ok()?;
    let mut line = format!(
        "{{\"seq\":{},\"prev_hash\":\"{}\",\"hash\":\"{}\",\"body\":",
        row.seq,
        HEXLOWER.encode(&row.prev_hash),
        HEXLOWER.encode(&row.hash)
    )
    .into_bytes();
    line.extend_from_slice(&row.body);
    line.extend_from_slice(b"}\n");
    Some(line)
}

/// There is one way to write a line, so what is read must come out the same when written. Stops when
/// enough is wrong: after a line that no entry has, and where more follows than was signed.
pub(super) fn read_json(file: &mut impl BufRead, verifier: &mut Verifier) -> Result<(), io::Error> {
    let mut line = Vec::new();
    while !verifier.is_full() {
        match bounded::next_line(file, &mut line, LINE_BYTES_MAX)? {
            Line::End => break,
            Line::Whole => {}
            Line::TooLong => {
                verifier.unreadable();
                break;
            }
        }
        let row = serde_json::from_slice::<Value>(&line).ok().and_then(|v| {
            let hex = |key: &str| HEXLOWER.decode(v[key].as_str()?.as_bytes()).ok();
            let body = canonical::write(&v["body"]).ok()?;
            Some(Row {
                seq: v["seq"].as_i64()?,
                prev_hash: hex("prev_hash")?,
                hash: hex("hash")?,
                body,
                mac: None,
                copies: None,
            })
        });
        match row.filter(|row| json_line(row).as_ref() == Some(&line)) {
            Some(row) => verifier.push(&row),
            None => verifier.unreadable(),
        }
    }
    Ok(())
}

/// One row; `None` if the bytes are not an entry.
pub(super) fn csv_row(row: &Row) -> Option<Vec<u8>> {
    let body = canonical::read(&row.body).ok()?;
    let copy = |v: &Value| guarded(v.as_str().unwrap_or_default()).into_bytes();
    Some(csv_line([
        row.seq.to_string().into_bytes(),
        body["ts_us"].to_string().into_bytes(),
        copy(&body["event"]),
        copy(&body["object"]["env"]),
        copy(&body["object"]["secret"]),
        copy(&body["rotation"]),
        HEXLOWER.encode(&row.prev_hash).into_bytes(),
        HEXLOWER.encode(&row.hash).into_bytes(),
        row.body.clone(),
    ]))
}

fn csv_line(cells: [Vec<u8>; COLUMNS.len()]) -> Vec<u8> {
    // In quotes, a cell is not taken apart where another list separator is usual.
    let mut writer = csv::WriterBuilder::new()
        .quote_style(csv::QuoteStyle::Always)
        .from_writer(Vec::new());
    writer
        .write_record(cells)
        .expect("a vector takes every record");
    writer.into_inner().expect("a vector needs no flush")
}

/// Reads a table; what cannot be read counts as an entry that was modified. A row is one line, as
/// nothing that is exported holds a line feed, and is read as such: a quote that never ends is a bad
/// line and no row without an end.
pub(super) fn read_csv(file: &mut impl BufRead, verifier: &mut Verifier) -> Result<(), io::Error> {
    let mut line = Vec::new();
    let mut header = true;
    while !verifier.is_full() {
        match bounded::next_line(file, &mut line, LINE_BYTES_MAX)? {
            Line::End => break,
            Line::Whole if std::mem::take(&mut header) => {}
            Line::Whole => match row(&line) {
                Some(row) => verifier.push(&row),
                None => verifier.unreadable(),
            },
            Line::TooLong => {
                verifier.unreadable();
                break;
            }
        }
    }
    Ok(())
}

/// The entry in one line of a table.
fn row(line: &[u8]) -> Option<Row> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(line);
    let mut records = reader.byte_records();
    let record = records.next()?.ok()?;
    let alone = records.next().is_none();
    let cell = |i: usize| std::str::from_utf8(record.get(i)?).ok();
    let text = |i: usize| cell(i).map(|c| c.strip_prefix('\'').unwrap_or(c).to_owned());
    let maybe = |i: usize| text(i).filter(|t| !t.is_empty());
    let row = Row {
        seq: cell(0)?.parse().ok()?,
        prev_hash: HEXLOWER.decode(record.get(6)?).ok()?,
        hash: HEXLOWER.decode(record.get(7)?).ok()?,
        body: record.get(8)?.to_vec(),
        mac: None,
        copies: Some(Copies {
            ts_us: cell(1)?.parse().ok()?,
            event: text(2)?,
            env: maybe(3),
            secret: maybe(4),
            rotation: maybe(5),
        }),
    };
    alone.then_some(row)
}

/// A spreadsheet runs what begins with one of these (OWASP, CSV injection), also after blanks and in
/// full width. What begins with an apostrophe gets a second one, so that it can be taken off again.
fn guarded(text: &str) -> String {
    let first = text.trim_start_matches(|c: char| c.is_whitespace() && !"\t\r\n".contains(c));
    let runs = |c: char| "=+-@\t\r\n＝＋－＠".contains(c);
    if first.starts_with(runs) || text.starts_with('\'') {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        let blanks = ["", " ", "  ", "\u{a0}", "\u{3000}"];
        for blank in blanks {
            for first in "=+-@\t\r\n＝＋－＠".chars() {
                let cell = format!("{blank}{first}cmd|' /C calc'!A0");
                assert_eq!(guarded(&cell), format!("'{cell}"));
            }
        }
        assert_eq!(guarded("'quoted"), "''quoted");
        assert_eq!(guarded("app.rotation-set =1"), "app.rotation-set =1");
        let line = csv_line(
            ["a;=1", "b\t=1", "c\"", "", "", "", "", "", ""].map(|c| c.as_bytes().to_vec()),
        );
        let line = String::from_utf8(line).expect("text");
        assert_eq!(
            line,
            "\"a;=1\",\"b\t=1\",\"c\"\"\",\"\",\"\",\"\",\"\",\"\",\"\"\n"
        );
    }
}
