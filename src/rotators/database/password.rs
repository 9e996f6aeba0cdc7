//! New passwords.

use keyrota_contract::Entropy;
use zeroize::Zeroizing;

/// Characters of a password: 190 bits.
const LENGTH: usize = 32;

/// Nothing that a URL, a shell, SQL or a connection string reads as anything but itself.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A new password: 32 characters of `A-Z a-z 0-9 - _`, with at least one of each class, as the
/// policies of many servers want. It does not begin with `-`, as an option would. Postgres takes
/// `md5…` and `SCRAM-SHA-256$…` for hashes: one has 35 characters, the other a `$`.
pub fn password(entropy: &mut dyn Entropy) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0_u8; LENGTH]);
    loop {
        entropy.fill(bytes.as_mut_slice());
        // 64 divides 256: every character is equally likely.
        for b in bytes.iter_mut() {
            *b = ALPHABET[usize::from(*b & 63)];
        }
        // Thrown away as a whole: mending it would make some passwords likelier than others.
        if is_good(bytes.as_slice()) {
            let mut text = Zeroizing::new(String::with_capacity(LENGTH));
            text.extend(bytes.iter().map(|b| char::from(*b)));
            return text;
        }
    }
}

fn is_good(text: &[u8]) -> bool {
    text.first() != Some(&b'-')
        && text.iter().any(u8::is_ascii_uppercase)
        && text.iter().any(u8::is_ascii_lowercase)
        && text.iter().any(u8::is_ascii_digit)
        && text.iter().any(|b| b"-_".contains(b))
}
