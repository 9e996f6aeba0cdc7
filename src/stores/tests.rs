//! The registry.

use super::*;

#[test]
fn a_word_is_one_kind_whether_built_in_or_not() {
    let built = KINDS.iter().map(|kind| kind.word);
    let mut words: Vec<&str> = built.chain(LEFT_OUT.iter().copied()).collect();
    let all = words.len();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), all, "{words:?}");
    assert!(
        ["aws-secrets-manager", "aws-ssm", "file", "vault"]
            .iter()
            .all(|w| words.contains(w))
    );
}
