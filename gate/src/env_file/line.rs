//! Pieces of a line.

use crate::unusual::Unusual;

/// The name, if every program reads it.
pub(super) fn plain(name: &[u8]) -> Option<&str> {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let sound = !name.is_empty() && !name[0].is_ascii_digit() && name.iter().all(fits);
    std::str::from_utf8(name).ok().filter(|_| sound)
}

/// The text without the white space around it and without `export`.
pub(super) fn without_export(text: &str) -> &str {
    let text = text.trim_matches(is_space);
    match text.strip_prefix("export") {
        Some(rest) if rest.is_empty() || rest.starts_with(is_space) => {
            rest.trim_start_matches(is_space)
        }
        _ => text,
    }
}

/// What Python takes for white space.
pub(super) fn is_space(c: char) -> bool {
    c.is_ascii_whitespace() || Unusual::of(c).is_some_and(Unusual::is_space)
}

/// The unusual character that a line begins with, and its bytes.
pub(super) fn first(line: &[u8]) -> Option<(Unusual, usize)> {
    let start = &line[..line.len().min(4)];
    let c = start.utf8_chunks().next()?.valid().chars().next()?;
    Some((Unusual::of(c)?, c.len_utf8()))
}

/// The space that is not ASCII which a value ends with.
pub(super) fn last_space(text: &[u8]) -> Option<Unusual> {
    let end = &text[text.len().saturating_sub(4)..];
    let last = end
        .utf8_chunks()
        .last()
        .filter(|chunk| chunk.invalid().is_empty())?;
    let c = last.valid().chars().next_back()?;
    Unusual::of(c).filter(|unusual| unusual.is_space())
}

pub(super) fn ends_with_space(text: &[u8]) -> bool {
    text.last().is_some_and(u8::is_ascii_whitespace) || last_space(text).is_some()
}

pub(super) fn contains(line: &[u8], part: &[u8]) -> bool {
    line.windows(part.len()).any(|window| window == part)
}

/// What stands before the blanks at the end.
pub(super) fn without_blanks(text: &[u8]) -> &[u8] {
    let blanks = |byte: &&u8| matches!(byte, b' ' | b'\t');
    &text[..text.len() - text.iter().rev().take_while(blanks).count()]
}
