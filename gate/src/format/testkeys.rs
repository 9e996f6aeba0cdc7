//! Keys for the tests, built from their encodings. They have the right form and no meaning, so no
//! real private key stands in this repository.

const RSA: &[u8] = &[
    0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 0x05, 0,
];
const EC_P256: &[u8] = &[
    0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7,
];
const P256: &[u8] = &[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const ED25519: &[u8] = &[0x06, 3, 0x2b, 0x65, 0x70];

/// Bytes that look drawn, the same in every run.
pub(crate) fn bytes(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_be_bytes()[0] | 0x80
    };
    (0..count).map(|_| next()).collect()
}

pub(crate) fn ed25519_private() -> Vec<u8> {
    private(ED25519, &element(0x04, &bytes(32)))
}

pub(crate) fn ed25519_public() -> Vec<u8> {
    public(ED25519, &bytes(32))
}

pub(crate) fn p256_private() -> Vec<u8> {
    private(
        EC_P256,
        &element(
            0x30,
            &[element(0x02, &[1]), element(0x04, &bytes(32))].concat(),
        ),
    )
}

pub(crate) fn p256_public() -> Vec<u8> {
    public(EC_P256, &[&[4], bytes(64).as_slice()].concat())
}

pub(crate) fn p256_sec1() -> Vec<u8> {
    let parts = [
        element(0x02, &[1]),
        element(0x04, &bytes(32)),
        element(0xa0, P256),
    ];
    element(0x30, &parts.concat())
}

pub(crate) fn rsa_private(modulus: usize) -> Vec<u8> {
    private(RSA, &rsa_pkcs1_private(modulus))
}

pub(crate) fn rsa_public(modulus: usize) -> Vec<u8> {
    public(RSA, &rsa_pkcs1_public(modulus))
}

pub(crate) fn rsa_pkcs1_private(modulus: usize) -> Vec<u8> {
    let (whole, half) = (bytes(modulus), bytes(modulus / 2));
    let numbers: [&[u8]; 9] = [
        &[0],
        &whole,
        &[1, 0, 1],
        &whole,
        &half,
        &half,
        &half,
        &half,
        &half,
    ];
    element(0x30, &numbers.map(number).concat())
}

pub(crate) fn rsa_pkcs1_public(modulus: usize) -> Vec<u8> {
    element(
        0x30,
        &[number(&bytes(modulus)), number(&[1, 0, 1])].concat(),
    )
}

/// One PEM block with lines of 64 characters.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let text = data_encoding::BASE64.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for start in (0..text.len()).step_by(64) {
        pem.push_str(&text[start..text.len().min(start + 64)]);
        pem.push('\n');
    }
    pem + &format!("-----END {label}-----\n")
}

fn private(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    let parts = [
        element(0x02, &[0]),
        element(0x30, algorithm),
        element(0x04, key),
    ];
    element(0x30, &parts.concat())
}

fn public(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    let parts = [
        element(0x30, algorithm),
        element(0x03, &[&[0], key].concat()),
    ];
    element(0x30, &parts.concat())
}

/// A positive INTEGER: a leading zero where the first bit is set.
fn number(magnitude: &[u8]) -> Vec<u8> {
    let zero: &[u8] = if magnitude[0] >= 0x80 { &[0] } else { &[] };
    element(0x02, &[zero, magnitude].concat())
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len())
        .expect("test keys are small")
        .to_be_bytes();
    let header = match content.len() {
        0..=0x7f => vec![tag, length[1]],
        0x80..=0xff => vec![tag, 0x81, length[1]],
        _ => vec![tag, 0x82, length[0], length[1]],
    };
    [header.as_slice(), content].concat()
}
