//! Everything that leaves the program for a person: answers, notes, the log. Text from outside (a
//! database, a server's answer, a file's name, `--reason`) may hold what a terminal obeys or what
//! changes the order of the letters. It is escaped here, where all text passes, so that no command can
//! forget it. JSON is escaped in JSON's own way, so that it says the same; other data for programs stays
//! exact.

use std::borrow::Cow;
use std::io::{self, BufWriter, IsTerminal, Write};

/// Whether a terminal obeys a character, or shows nothing where it stands: controls, marks of writing
/// direction, line separators, characters without width, tags.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Text on one line, with everything escaped that a terminal would obey or hide.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_hidden)
}

/// The same, over several lines and with tabs.
pub fn page(text: &str) -> Cow<'_, str> {
    escaped(text, |c| is_hidden(c) && !matches!(c, '\n' | '\t'))
}

fn escaped(text: &str, escape: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&escape) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            c if !escape(c) => out.push(c),
            '\n' | '\r' | '\t' => out.extend(c.escape_default()),
            c if c.is_ascii() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.extend(c.escape_unicode()),
        }
    }
    Cow::Owned(out)
}

/// A page that keyrota coloured itself: `ESC [ … m`, which sets colours and nothing else, stays.
fn coloured(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut parts = text.split("\u{1b}[");
    out.push_str(&page(parts.next().unwrap_or_default()));
    for part in parts {
        let codes = part.len()
            - part
                .trim_start_matches(|c: char| c.is_ascii_digit() || c == ';')
                .len();
        match part[codes..].strip_prefix('m') {
            Some(rest) => {
                out.push_str(&format!("\u{1b}[{}m", &part[..codes]));
                out.push_str(&page(rest));
            }
            None => {
                out.push_str("\\x1b[");
                out.push_str(&page(part));
            }
        }
    }
    out
}

/// A text for people, on standard output.
pub fn answer(text: &str) -> io::Result<()> {
    exact(&page(text))
}

/// The same, in keyrota's colours.
pub fn coloured_answer(text: &str) -> io::Result<()> {
    exact(&coloured(text))
}

/// What another program reads, on standard output: escaped only where a terminal is in its place.
pub fn data(text: &str) -> io::Result<()> {
    match io::stdout().is_terminal() {
        true => answer(text),
        false => exact(text),
    }
}

/// JSON, on standard output.
pub fn json(text: &str) -> io::Result<()> {
    exact(&in_json(text))
}

/// JSON whose bytes were hashed: escaped only where a terminal shows it.
pub fn exact_json(text: &str) -> io::Result<()> {
    match io::stdout().is_terminal() {
        true => json(text),
        false => exact(text),
    }
}

/// The same JSON, with everything escaped that a terminal would obey or hide. All that JSON does not
/// escape itself stands in its texts: outside of them there is nothing but ASCII and white space.
fn in_json(text: &str) -> Cow<'_, str> {
    let escape = |c: char| is_hidden(c) && c >= '\u{7f}';
    if !text.contains(escape) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match escape(c) {
            false => out.push(c),
            true => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    Cow::Owned(out)
}

fn exact(text: &str) -> io::Result<()> {
    many(|out| out.write_all(text.as_bytes()))
}

/// Many lines on standard output, each made by [`line`] or JSON. A reader that has seen enough
/// (`head`) is no failure.
pub fn many(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(e),
        _ => Ok(()),
    }
}

/// A note for a person, on standard error; where that is closed, nobody reads it.
pub fn note(text: &str) {
    exact_note(&page(text));
}

/// The same, in keyrota's colours.
pub fn coloured_note(text: &str) {
    exact_note(&coloured(text));
}

/// JSON, on standard error.
pub fn json_note(text: &str) {
    exact_note(&in_json(text));
}

fn exact_note(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// A line of the log, on standard error.
#[derive(Debug)]
pub struct Log;

impl Write for Log {
    /// Takes one event. What stands before its line end is one line.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let (text, end) = match text.strip_suffix('\n') {
            Some(text) => (text, "\n"),
            None => (&*text, ""),
        };
        let text = coloured(&text.replace('\n', "\\n"));
        io::stderr()
            .lock()
            .write_all(format!("{text}{end}").as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Whether a person reads standard error.
pub fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Whether notes may have colours.
pub fn notes_have_colour() -> bool {
    is_watched() && wants_colour()
}

/// Whether answers may have colours.
pub fn answers_have_colour() -> bool {
    io::stdout().is_terminal() && wants_colour()
}

fn wants_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
    use super::*;

    /// One of each kind that a terminal obeys, reorders or hides.
    const HOSTILE: &str = "\0\u{7}\u{8}\r\u{1b}\u{7f}\u{80}\u{9b}\u{ad}\u{61c}\u{180e}\u{200b}\u{200d}\u{200e}\u{200f}\
        \u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2060}\u{2066}\u{2067}\u{2068}\u{2069}\u{feff}\u{fffb}\u{e0041}";

    #[test]
    fn nothing_that_a_terminal_obeys_or_hides_is_left() {
        for c in (0..=0x10_ffff).filter_map(char::from_u32) {
            let shown = line(c.encode_utf8(&mut [0; 4])).into_owned();
            let debug = format!("{c:?}");
            let obeyed = c.is_control() || HOSTILE.contains(c);
            assert!(
                !obeyed || shown.starts_with('\\'),
                "{debug} is shown as it is"
            );
            // The standard library escapes all that has no form of its own, but for two fillers.
            let formless = debug.contains('\\') || "\u{3164}\u{ffa0}".contains(c);
            assert!(shown == c.to_string() || formless, "{debug} is no danger");
        }
        assert_eq!(line("a\u{1b}[2Jb\nc\u{202e}d"), "a\\x1b[2Jb\\nc\\u{202e}d");
        assert_eq!(page("a\tb\r\nc"), "a\tb\\r\nc");
        assert!(matches!(line("Grüße, 世界 – 100 %"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_hides_nothing_and_says_the_same() {
        for c in (0..=0x10_ffff).filter_map(char::from_u32) {
            let value = serde_json::json!({ "a": format!("x{c}y") });
            let text = value.to_string();
            let shown = in_json(&text);
            assert!(!shown.contains(is_hidden), "{c:?} is shown as it is");
            if is_hidden(c) {
                let read: serde_json::Value = serde_json::from_str(&shown).unwrap();
                assert_eq!(read, value);
            } else {
                assert_eq!(shown, text);
            }
        }
        assert_eq!(in_json("\"\u{9b}\u{e0041}\""), r#""\u009b\udb40\udc41""#);
        assert_eq!(in_json("{\n\t\"a\": 1\n}\n"), "{\n\t\"a\": 1\n}\n");
    }

    #[test]
    fn only_colours_pass_as_colours() {
        let ours = "\u{1b}[1m\u{1b}[31merror\u{1b}[0m: x\n";
        assert_eq!(coloured(ours), ours);
        for hostile in [
            "\u{1b}[2J",
            "\u{1b}[31",
            "\u{1b}[?25l",
            "\u{1b}]0;title\u{7}",
            "\u{9b}31m",
            "\u{1b}[",
            "\u{1b}\u{1b}[5n",
        ] {
            let shown = coloured(hostile);
            assert!(
                !shown.contains(char::is_control),
                "{hostile:?} is shown as {shown:?}"
            );
        }
    }
}
