//! Which version has which role. Pure.

use std::collections::BTreeMap;

use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::types::StatusType;
use keyrota_contract::{Native, ProviderError, Public, Stage, VersionInfo};
use uuid::Uuid;

use super::conflict;

pub(super) const CURRENT: &str = "AWSCURRENT";
pub(super) const PENDING: &str = "AWSPENDING";
pub(super) const KEYROTA_PENDING: &str = "KEYROTA_PENDING";
pub(super) const PREVIOUS: &str = "AWSPREVIOUS";

/// A secret as it is described.
pub(super) struct Secret {
    /// The labels of every version that has one.
    versions: BTreeMap<String, Vec<String>>,
    /// AWS rotates it by itself.
    rotates: bool,
    /// Another service of AWS' (`rds`) writes it.
    owned: bool,
    /// It is copied to other regions.
    pub replicated: bool,
    /// How far the copies are.
    pub replicas: Replicas,
}

/// The copies of a secret in other regions, taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replicas {
    /// All have the newest, or there are none.
    InSync,
    /// One has not yet.
    Behind,
    /// One never will.
    Failed,
}

impl Secret {
    pub(super) fn of(found: DescribeSecretOutput) -> Self {
        let states = found.replication_status();
        let any = |wanted: StatusType| states.iter().any(|s| s.status() == Some(&wanted));
        let replicas = if any(StatusType::Failed) {
            Replicas::Failed
        } else if any(StatusType::InProgress) {
            Replicas::Behind
        } else {
            Replicas::InSync
        };
        Self {
            rotates: found.rotation_enabled() == Some(true),
            owned: found.owning_service().is_some_and(|s| !s.is_empty()),
            replicated: !states.is_empty(),
            replicas,
            versions: found
                .version_ids_to_stages
                .unwrap_or_default()
                .into_iter()
                .collect(),
        }
    }

    /// The version that holds a label.
    pub(super) fn holder(&self, label: &str) -> Option<&str> {
        let holds = |(_, labels): &(&String, &Vec<String>)| labels.iter().any(|l| l == label);
        self.versions.iter().find(holds).map(|(id, _)| id.as_str())
    }

    /// The version in a role. Ours comes before one that AWS' own rotation left or is making.
    pub(super) fn at(&self, stage: Stage) -> Option<&str> {
        let labels: &[&str] = match stage {
            Stage::Current => &[CURRENT],
            Stage::Pending => &[KEYROTA_PENDING, PENDING],
            Stage::Previous => &[PREVIOUS],
        };
        let holders = labels.iter().filter_map(|label| self.holder(label));
        holders
            .into_iter()
            .find(|id| self.labelled(id) == Some(stage))
    }

    /// A version's role; each role is held by one version.
    pub(super) fn role(&self, id: &str) -> Option<Stage> {
        self.labelled(id)
            .filter(|stage| self.at(*stage) == Some(id))
    }

    /// The candidate under one of the two labels, if it is one.
    pub(super) fn pending_under(&self, label: &str) -> Option<&str> {
        self.holder(label)
            .filter(|id| self.labelled(id) == Some(Stage::Pending))
    }

    fn labelled(&self, id: &str) -> Option<Stage> {
        self.versions.get(id).and_then(|labels| role(labels))
    }

    /// The label for a new candidate.
    pub(super) fn pending_label(&self) -> &'static str {
        // An older candidate may stand under the second since AWS' own rotation was turned off; it
        // loses the label to the new one.
        if self.rotates || self.pending_under(KEYROTA_PENDING).is_some() {
            KEYROTA_PENDING
        } else {
            PENDING
        }
    }

    /// Others' work in progress is not written over.
    pub(super) fn refuse_others(&self) -> Result<(), ProviderError> {
        if self.owned {
            return Err(conflict(
                "another service of AWS manages this secret; keyrota can only read it",
            ));
        }
        match self.pending_under(PENDING) {
            Some(id) if ours(id).is_none() => Err(conflict(
                "another tool has an AWSPENDING version here: it may be rotating this secret, as AWS' own rotation does",
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn infos(&self) -> Vec<VersionInfo> {
        let info = |id: &String| VersionInfo {
            native: Native(id.clone()),
            ours: ours(id),
            stages: self.role(id).into_iter().collect(),
            created: None,
            flaw: None,
            public: Public::new(),
        };
        let infos = self.versions.keys().map(info);
        infos.filter(|v| !v.stages.is_empty()).collect()
    }
}

/// The role that labels give, whatever a crash in the middle of a promote left beside AWSCURRENT.
pub(super) fn role<L: AsRef<str>>(labels: &[L]) -> Option<Stage> {
    let has = |label: &str| labels.iter().any(|l| l.as_ref() == label);
    if has(CURRENT) {
        Some(Stage::Current)
    } else if has(PENDING) || has(KEYROTA_PENDING) {
        Some(Stage::Pending)
    } else if has(PREVIOUS) {
        Some(Stage::Previous)
    } else {
        None
    }
}

/// Our id, if keyrota wrote this version: programs of AWS' draw UUIDs of version 4.
pub(super) fn ours(version: &str) -> Option<Uuid> {
    Uuid::try_parse(version)
        .ok()
        .filter(|id| id.get_version_num() == 7)
}
