//! Keys and certificates as PEM (RFC 7468), and the ways in which an environment breaks them.
//!
//! Stricter than the RFC's lax grammar where OpenSSL is: every line begins where it begins, and
//! nothing but base64 stands between BEGIN and END. White space after a line is of no consequence.

use data_encoding::BASE64;
use zeroize::Zeroizing;

use crate::format::der::{self, Broken};
use crate::format::key::{Kind, Unfit, serves, wrong_part};
use crate::format::private::{KeyForm, private_key, wrong_kind};
use crate::problem::{Code, Fault};
use crate::rule::{Algorithm, KeyPart};

/// A key, which may stand beside its certificates or the parameters of its curve.
pub(crate) fn check_key(
    value: &str,
    part: Option<KeyPart>,
    algorithm: Option<Algorithm>,
) -> Result<(), Unfit> {
    let read_private = || private_key(value, KeyForm::Pem, algorithm).map(|_| ());
    if part == Some(KeyPart::Private) || algorithm == Some(Algorithm::Hs256) {
        return read_private();
    }
    let blocks = blocks(value)?;
    let holds = |wanted: KeyPart| blocks.iter().find(|block| block.part() == Some(wanted));
    let public = match (holds(KeyPart::Private), holds(KeyPart::Public)) {
        (Some(_), _) if part == Some(KeyPart::Public) => return Err(wrong_part(KeyPart::Public)),
        (Some(_), _) => return read_private(),
        (None, Some(public)) => public,
        (None, None) => {
            return Err(wrong_kind(
                "it holds no key, only certificates or other blocks",
            ));
        }
    };
    let kind = match public.label {
        "RSA PUBLIC KEY" => public.read(der::pkcs1_public)?,
        _ => public.read(der::spki)?,
    };
    serves(kind, algorithm)
}

/// One or more certificates; private keys beside them are refused.
pub(crate) fn check_certificates(value: &str) -> Result<(), Fault> {
    let blocks = blocks(value)?;
    if blocks
        .iter()
        .any(|block| block.part() == Some(KeyPart::Private))
    {
        let why = "a private key is beside the certificates, and must not be here";
        return Err(wrong_kind(why).into());
    }
    for (index, block) in blocks.iter().enumerate() {
        if block.label != "CERTIFICATE" {
            return Err(wrong_kind("it holds something other than certificates").into());
        }
        der::sequence(&block.der).map_err(|broken| {
            let unfit = unfit(broken);
            Fault::new(
                unfit.code,
                format!("PEM block {}: {}", index + 1, unfit.why),
            )
        })?;
    }
    Ok(())
}

/// What stands between a BEGIN and an END line.
pub(crate) struct Block<'v> {
    pub(crate) label: &'v str,
    /// With a passphrase, by the headers of RFC 1421; there is no DER then.
    pub(crate) encrypted: bool,
    pub(crate) der: Zeroizing<Vec<u8>>,
}

impl Block<'_> {
    pub(crate) fn part(&self) -> Option<KeyPart> {
        match self.label {
            "PUBLIC KEY" | "RSA PUBLIC KEY" => Some(KeyPart::Public),
            label if label.ends_with("PRIVATE KEY") => Some(KeyPart::Private),
            _ => None,
        }
    }

    pub(crate) fn read(&self, parse: fn(&[u8]) -> Result<Kind, Broken>) -> Result<Kind, Unfit> {
        parse(&self.der).map_err(unfit)
    }
}

fn unfit(broken: Broken) -> Unfit {
    match broken {
        Broken::Short => half("the PEM block is cut short: it announces more bytes than it has"),
        Broken::Damaged => format(DAMAGED),
    }
}

/// All blocks of the value; text before, between and after them is allowed, as RFC 7468 section 2 has it.
pub(crate) fn blocks(value: &str) -> Result<Vec<Block<'_>>, Unfit> {
    if value.contains("-----") && value.contains("\\n") {
        return Err(format(
            "it holds the two characters \\n where line breaks belong: set it with real line breaks",
        ));
    }
    let mut blocks = Vec::new();
    let mut lines = value.split('\n');
    while let Some(line) = lines.next() {
        let bare = bare(line);
        let label = bare
            .strip_prefix(BEGIN)
            .and_then(|rest| rest.strip_suffix(DASHES));
        match label {
            Some(label) if !label.contains(DASHES) => blocks.push(block(label, &mut lines)?),
            _ => no_mark_in(bare)?,
        }
    }
    if blocks.is_empty() {
        return Err(format(no_pem(value)));
    }
    Ok(blocks)
}

/// The line without what may follow it: spaces, tabs, the carriage return of a Windows line end.
fn bare(line: &str) -> &str {
    line.trim_end_matches([' ', '\t', '\r'])
}

/// Refuses a BEGIN or END mark in a line outside of blocks.
fn no_mark_in(line: &str) -> Result<(), Unfit> {
    let start = line.trim_start();
    if start.starts_with(END) {
        return Err(half(
            "it has an END line without a BEGIN line: the first part is missing",
        ));
    }
    match line.find(BEGIN) {
        None if line.contains(END) => Err(format(JOINED)),
        None => Ok(()),
        Some(_) if start.len() < line.len() && start.starts_with(BEGIN) => Err(format(INDENTED)),
        Some(0) if line.contains('\r') || line[BEGIN.len()..].contains(DASHES) => {
            Err(format(JOINED))
        }
        Some(0) => Err(half("its BEGIN line is not whole: the rest is missing")),
        Some(_) => Err(format(
            "there is text before its BEGIN line: set the key alone, from -----BEGIN on",
        )),
    }
}

/// What follows the BEGIN line of `label`, up to its END line.
fn block<'v>(label: &'v str, lines: &mut dyn Iterator<Item = &'v str>) -> Result<Block<'v>, Unfit> {
    let cut = || half("it has a BEGIN line without an END line: the last part is missing");
    let mut base64 = Zeroizing::new(Vec::with_capacity(BASE64_ROOM));
    let (mut encrypted, mut interrupted) = (false, false);
    loop {
        let line = bare(lines.next().ok_or_else(cut)?);
        let is_last = line.starts_with(END);
        if interrupted && !line.is_empty() && !(is_last && base64.is_empty()) {
            return Err(format("the PEM block contains an empty line: remove it"));
        }
        if let Some(rest) = line.strip_prefix(END) {
            match rest.strip_suffix(DASHES) {
                Some(end) if end == label => break,
                Some(end) if !end.contains(DASHES) => {
                    return Err(half(
                        "the PEM block ends with another label than it begins with: halves of two keys",
                    ));
                }
                _ => {
                    return Err(format(
                        "its END line is incomplete, or there is text after it: set the key alone",
                    ));
                }
            }
        }
        let start = line.trim_start();
        if line.contains(BEGIN) {
            return Err(cut());
        }
        // Headers (RFC 1421) stand before the first empty line; only encrypted keys have them today.
        encrypted |= line == "Proc-Type: 4,ENCRYPTED";
        match line.bytes().find(|byte| !is_base64(*byte)) {
            _ if encrypted => {}
            None if line.is_empty() => interrupted = true,
            None => base64.extend_from_slice(line.as_bytes()),
            Some(_) if start.len() < line.len() => return Err(format(INDENTED)),
            Some(_) if line.contains(END) => return Err(format(JOINED)),
            Some(b':') => {
                return Err(format(
                    "the PEM block has headers, which programs refuse: remove them",
                ));
            }
            Some(_) => {
                return Err(format("the PEM block is damaged: its lines are not base64"));
            }
        }
    }
    Ok(Block {
        label,
        encrypted,
        der: decode(&base64, encrypted)?,
    })
}

fn decode(base64: &[u8], encrypted: bool) -> Result<Zeroizing<Vec<u8>>, Unfit> {
    if encrypted {
        return Ok(Zeroizing::default());
    }
    if base64.is_empty() {
        return Err(half("the PEM block is empty"));
    }
    let damaged = || format("the PEM block is damaged: its lines are not base64, or were cut");
    // The decoder would take padding between two parts, which no reader of keys does.
    let padding = base64.iter().position(|byte| *byte == b'=');
    if padding.is_some_and(|at| base64[at..].iter().any(|byte| *byte != b'=')) {
        return Err(damaged());
    }
    let length = BASE64.decode_len(base64.len()).map_err(|_| damaged())?;
    let mut der = Zeroizing::new(vec![0; length]);
    let written = BASE64.decode_mut(base64, &mut der).map_err(|_| damaged())?;
    der.truncate(written);
    Ok(der)
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// What a text without a BEGIN line may be.
fn no_pem(value: &str) -> &'static str {
    let value = value.trim();
    if value.starts_with('{') {
        "it is JSON, and a key as PEM is wanted"
    } else if value.starts_with("LS0tLS1CRUdJTi") {
        "it is PEM in base64: decode it (base64 -d) before it is set"
    } else {
        "it is not PEM: there is no BEGIN line"
    }
}

fn half(why: &'static str) -> Unfit {
    Unfit::new(Code::HalfKey, why)
}

fn format(why: &'static str) -> Unfit {
    Unfit::new(Code::WrongFormat, why)
}

const DASHES: &str = "-----";
const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
/// The base64 of an RSA key of 8192 bits: a buffer that grew would leave copies of the key behind.
const BASE64_ROOM: usize = 8 * 1024;
const DAMAGED: &str = "the PEM block is damaged: its content is not what its label says";
const INDENTED: &str =
    "its lines are indented, which OpenSSL refuses: set it with every line at the margin";
const JOINED: &str =
    "its line breaks were lost: set it with real line breaks, not joined into one line";

#[cfg(test)]
mod tests;
