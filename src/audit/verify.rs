//! Verification: walks over the entries once, in the order in which they are stored, and says what
//! is wrong where. Pure; remembers only what is missing and which intents are open.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde_json::Value;
use uuid::Uuid;

use super::chain::{self, Hash};
use super::{Checkpoint, Copies, Head, NoteError, Row, canonical};

/// What is wrong; each has an exit code of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Problem {
    /// The entry's bytes, or its hash, are not what was written.
    Modified,
    /// The entry is missing.
    Gap,
    /// The entry stands twice, or the log is not the one that was signed at this size.
    Fork,
    /// The entry stands in another's place.
    Reordered,
    /// The log is shorter than a checkpoint, or its own head, says: cut off, or an older copy.
    Shorter,
    /// A checkpoint is not signed by the key it claims.
    BadSignature,
    /// What the database repeats of the entry, or of the head, is not what the entry says.
    Copy,
}

impl Problem {
    /// The exit code of `audit verify`.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Modified => 30,
            Self::Gap => 31,
            Self::Fork => 32,
            Self::Reordered => 33,
            Self::Shorter => 34,
            Self::BadSignature => 35,
            Self::Copy => 36,
        }
    }

    /// A word for JSON; stable.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Modified => "modified",
            Self::Gap => "gap",
            Self::Fork => "fork",
            Self::Reordered => "reordered",
            Self::Shorter => "shorter",
            Self::BadSignature => "bad-signature",
            Self::Copy => "copy-differs",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The entry; for checkpoints their size, 0 where even that is unknown.
    pub seq: i64,
    /// What is wrong with it.
    pub problem: Problem,
    /// A fixed sentence.
    pub detail: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {}: {}", self.seq, self.detail)
    }
}

/// An intent whose outcome was never written: a crash, or a rotation that is under way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dangling {
    /// The intent's entry.
    pub seq: i64,
    /// Its event.
    pub event: String,
}

/// The result of a verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What is wrong, by entry; at most [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// Open intents; a warning.
    pub dangling: Vec<Dangling>,
    /// How many entries were seen.
    pub entries: i64,
    /// The size of the largest checkpoint that fits. What comes after it could be cut off unnoticed.
    pub vouched: Option<i64>,
}

/// A log that is wrong from some place on is not reported entry by entry for ever.
pub const FINDINGS_MAX: usize = 1000;

impl Report {
    /// 0, or the code of the first finding.
    pub fn exit_code(&self) -> u8 {
        self.findings.first().map_or(0, |f| f.problem.exit_code())
    }
}

/// A verification under way: [`push`](Verifier::push) every entry, then [`finish`](Verifier::finish).
#[derive(Debug)]
pub struct Verifier {
    chain: Uuid,
    /// The highest place seen, and the hashes that the next entry may follow.
    last: (i64, [Option<Hash>; 2]),
    /// Places not seen yet below the highest, as ranges from first to last.
    missing: BTreeMap<i64, i64>,
    /// The hash that the last entry of a missing range must have, by its place.
    wanted: BTreeMap<i64, Hash>,
    /// Statements about the log, by size.
    checkpoints: BTreeMap<i64, Vec<Hash>>,
    vouched: Option<i64>,
    intents: HashMap<(String, String), Dangling>,
    entries: i64,
    findings: Vec<Finding>,
}

impl Verifier {
    /// Begins with the entry `from` (1: the whole log). What precedes it is not judged, but for the
    /// start of the log.
    pub fn new(chain: Uuid, from: i64) -> Self {
        let before = (from == 1).then(|| chain::genesis(chain));
        Self {
            chain,
            last: (from.max(1).saturating_sub(1), [before, None]),
            missing: BTreeMap::new(),
            wanted: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
            vouched: None,
            intents: HashMap::new(),
            entries: 0,
            findings: Vec::new(),
        }
    }

    /// Adds a checkpoint to hold the log to, or the reason why one is not to be believed. All of
    /// them come before the first entry.
    pub fn checkpoint(&mut self, checkpoint: Result<Checkpoint, NoteError>) {
        match checkpoint {
            Ok(c) if c.chain != self.chain => {
                self.find(c.size, Problem::Fork, "a checkpoint is about another log");
            }
            Ok(c) if c.size == 0 && c.hash != chain::genesis(self.chain) => {
                self.find(
                    0,
                    Problem::Fork,
                    "the log did not begin as a checkpoint says",
                );
            }
            Ok(c) => self.checkpoints.entry(c.size).or_default().push(c.hash),
            Err(NoteError::OtherLog) => {
                self.find(0, Problem::Fork, "a checkpoint is about another log")
            }
            Err(_) => self.find(
                0,
                Problem::BadSignature,
                "a checkpoint is not signed by the key given",
            ),
        }
    }

    /// Judges the next entry, in the order in which they are stored.
    pub fn push(&mut self, row: &Row) {
        self.entries = self.entries.saturating_add(1);
        let body = canonical::read(&row.body).ok();
        let said = body.as_ref().and_then(|b| b["seq"].as_i64());
        // The place an entry claims in its own bytes counts if its hash confirms it.
        let own = said.map(|seq| chain::hash(self.chain, seq, &row.prev_hash, &row.body));
        let authentic = own.is_some_and(|hash| hash.as_slice() == row.hash);
        let seq = if authentic {
            said.unwrap_or(row.seq)
        } else {
            row.seq
        };
        let stored: Option<Hash> = row.hash.as_slice().try_into().ok();
        let computed = chain::hash(self.chain, seq, &row.prev_hash, &row.body);

        if !authentic {
            self.find(seq, Problem::Modified, "its bytes do not match its hash");
        }
        let next = self.last.0.checked_add(1);
        if next == Some(seq) || seq > self.last.0 {
            if next == Some(seq) {
                self.check_link(seq, row, authentic);
            } else {
                self.missing
                    .insert(self.last.0.saturating_add(1), seq.saturating_sub(1));
                if let Ok(prev) = row.prev_hash.as_slice().try_into() {
                    self.wanted.insert(seq.saturating_sub(1), prev);
                }
            }
            self.last = (seq, [stored, Some(computed)]);
        } else if self.fill(seq) {
            self.find(seq, Problem::Reordered, "it stands in another's place");
            if self
                .wanted
                .remove(&seq)
                .is_some_and(|wanted| Some(wanted) != stored && wanted != computed)
            {
                self.find(seq, Problem::Modified, "the next entry does not follow it");
            }
        } else {
            self.find(seq, Problem::Fork, "its place is taken twice");
            return;
        }
        self.compare(
            seq,
            row,
            authentic,
            &[stored, Some(computed)],
            body.as_ref(),
        );
    }

    /// Counts an entry that cannot even be read, in the place where the next one belongs.
    pub fn unreadable(&mut self) {
        self.entries = self.entries.saturating_add(1);
        self.last = (self.last.0.saturating_add(1), [None, None]);
        self.find(self.last.0, Problem::Modified, "it cannot be read");
    }

    /// Says what is missing, and judges the head that the database keeps (`None`: a part of the log
    /// was verified, so that neither its head nor later checkpoints say anything about it).
    pub fn finish(mut self, head: Option<&Head>) -> Report {
        for seq in std::mem::take(&mut self.missing)
            .into_iter()
            .flat_map(|(first, last)| first..=last)
        {
            if self.findings.len() >= FINDINGS_MAX {
                break; // a range may be as long as its numbers say
            }
            self.find(seq, Problem::Gap, "it is missing");
        }
        if let Some(head) = head {
            let (size, hashes) = self.last;
            if head.size > size {
                self.find(
                    size.saturating_add(1),
                    Problem::Shorter,
                    "the log is shorter than its head says",
                );
            } else if head.size < size || !hashes.contains(&Some(head.hash)) {
                self.find(size, Problem::Copy, "the head is not the last entry's");
            }
            if self.checkpoints.keys().any(|signed| *signed > size) {
                self.find(
                    size.saturating_add(1),
                    Problem::Shorter,
                    "the log is shorter than a checkpoint says",
                );
            }
        }
        self.findings.sort();
        let mut dangling: Vec<_> = self.intents.into_values().collect();
        dangling.sort();
        Report {
            findings: self.findings,
            dangling,
            entries: self.entries,
            vouched: self.vouched,
        }
    }

    /// Whether the entry follows the one before it. Said of the one before, if this one is sound:
    /// then that one was written anew, with a hash to match.
    fn check_link(&mut self, seq: i64, row: &Row, authentic: bool) {
        let before = self.last.1;
        let known = before.iter().any(Option::is_some);
        let follows = before
            .iter()
            .flatten()
            .any(|hash| hash.as_slice() == row.prev_hash);
        if !known || follows || !authentic {
            return;
        }
        if seq == 1 {
            self.find(seq, Problem::Modified, "the log does not begin with it");
        } else {
            self.find(
                seq.saturating_sub(1),
                Problem::Modified,
                "the next entry does not follow it",
            );
        }
    }

    /// Everything about a place that is independent of the order.
    fn compare(
        &mut self,
        seq: i64,
        row: &Row,
        authentic: bool,
        hashes: &[Option<Hash>],
        body: Option<&Value>,
    ) {
        if let Some(signed) = self.checkpoints.get(&seq) {
            if signed.iter().all(|hash| hashes.contains(&Some(*hash))) {
                self.vouched = self.vouched.max(Some(seq));
            } else {
                self.find(
                    seq,
                    Problem::Fork,
                    "the log up to here is not the one that was signed",
                );
            }
        }
        let (true, Some(body)) = (authentic, body) else {
            return;
        };
        if body["chain"].as_str() != Some(&self.chain.to_string()) {
            self.find(seq, Problem::Modified, "it belongs to another log");
        }
        let misplaced = row.seq != seq && !self.findings.iter().any(|f| f.seq == seq);
        if misplaced
            || row
                .copies
                .as_ref()
                .is_some_and(|copies| !same(copies, body))
        {
            self.find(
                seq,
                Problem::Copy,
                "what the database repeats of it differs",
            );
        }
        self.follow_intent(seq, body);
    }

    fn follow_intent(&mut self, seq: i64, body: &Value) {
        let (Some(rotation), Some(effect)) = (body["rotation"].as_str(), body["effect"].as_str())
        else {
            return;
        };
        let key = (rotation.to_owned(), effect.to_owned());
        match body["phase"].as_str() {
            Some("intent") => {
                let event = body["event"].as_str().unwrap_or_default().to_owned();
                self.intents.insert(key, Dangling { seq, event });
            }
            Some("outcome") => {
                self.intents.remove(&key);
            }
            _ => {}
        }
    }

    /// Takes a place off the missing ones; whether it was one.
    fn fill(&mut self, seq: i64) -> bool {
        let Some((&first, &last)) = self.missing.range(..=seq).next_back() else {
            return false;
        };
        if seq > last {
            return false;
        }
        self.missing.remove(&first);
        if first < seq {
            self.missing.insert(first, seq.saturating_sub(1));
        }
        if seq < last {
            self.missing.insert(seq.saturating_add(1), last);
        }
        true
    }

    pub(super) fn find(&mut self, seq: i64, problem: Problem, detail: &'static str) {
        let finding = Finding {
            seq,
            problem,
            detail,
        };
        if self.findings.len() < FINDINGS_MAX && !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }
}

fn same(copies: &Copies, body: &Value) -> bool {
    let object = &body["object"];
    body["ts_us"].as_i64() == Some(copies.ts_us)
        && body["event"].as_str() == Some(&copies.event)
        && object["env"].as_str() == copies.env.as_deref()
        && object["secret"].as_str() == copies.secret.as_deref()
        && body["rotation"].as_str() == copies.rotation.as_deref()
}
