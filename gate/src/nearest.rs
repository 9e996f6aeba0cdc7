//! "Did you mean": the one known word that is a single slip of the finger away.

/// The first of `known` that `word` becomes by one insertion, deletion, replacement or swap of
/// neighbours. `None` where `word` itself is known, or too short for a slip to mean anything.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let mut found = None;
    for candidate in known {
        if candidate == word {
            return None;
        }
        let long_enough = word.len() >= 4 && candidate.len() >= 4;
        if found.is_none() && long_enough && one_slip(word.as_bytes(), candidate.as_bytes()) {
            found = Some(candidate);
        }
    }
    found
}

fn one_slip(a: &[u8], b: &[u8]) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let same = short.iter().zip(long).take_while(|(x, y)| x == y).count();
    let (short, long) = (&short[same..], &long[same..]);
    match long.len() - short.len() {
        0 if long.is_empty() => false,
        0 => {
            let replaced = short[1..] == long[1..];
            let swapped = short.len() >= 2
                && (short[0], short[1]) == (long[1], long[0])
                && short[2..] == long[2..];
            replaced || swapped
        }
        1 => *short == long[1..],
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slip_is_found_and_two_are_not() {
        let known = ["postgres", "postgresql", "mysql"];
        for slip in ["postgress", "postgre", "postgers", "postgrez", "ppostgres"] {
            assert_eq!(nearest(slip, known), Some("postgres"), "{slip}");
        }
        for far in ["postgres", "mysql", "pstgrs", "redis", "", "mongodb"] {
            assert_eq!(nearest(far, known), None, "{far}");
        }
    }
}
