//! Telling one consumer: what it is shown in a round, and whether that is news to it.

use keyrota_contract::{Ack, Delivery, Exposure, Material, ProviderError};
use keyrota_rotation::{Reply, Round};

use super::job::Job;
use super::performed::{Learnt, Performed};
use super::{exposure, view};
use crate::config::registry::ConsumerFacts;

impl Job<'_> {
    /// Tells `listener`, or finds that there is nothing new for it to see.
    pub(super) async fn deliver(
        &self,
        round: Round,
        listener: &str,
    ) -> Result<Performed, Performed> {
        if let Some(copy) = self.parts.copies.iter().find(|c| c.key == listener) {
            return self.tell_copy(round, copy).await;
        }
        let Some(consumer) = self.parts.consumers.iter().find(|c| c.key == listener) else {
            return Err(Performed::failed(
                Reply::Retry,
                "the schedule does not name this consumer",
            ));
        };
        let material = self.material().await?;
        if round == Round::Announce {
            self.candidate_is_as_written(&material)?;
        }
        let exposure = self.exposure(round, consumer.facts, &material)?;
        let current = material.current.as_ref();
        let fingerprint = current.map(|v| self.print(&v.value)).unwrap_or_default();
        let exposure_fp = self.engine.keys.fingerprint(
            &self.engine.env.name,
            &format!("{}\0{listener}\0{}", self.secret.name, consumer.definition),
            // With the current value's fingerprint: a secret without variables changes too. Under
            // the consumer's definition: another one has seen nothing.
            &exposure::digest_input(&exposure.variables, exposure.jwks.as_deref(), &fingerprint),
        );
        let learnt = Learnt::Acknowledged {
            consumer: listener.to_owned(),
            round,
            exposure_fp: exposure_fp.clone(),
        };
        if consumer.facts.skips_known && self.knows(round, listener, &exposure_fp).await {
            return Ok(Performed::done(learnt));
        }
        let delivery = Delivery {
            round: match round {
                Round::Announce => keyrota_contract::Round::Announce,
                Round::Switch => keyrota_contract::Round::Switch,
                Round::Withdraw => keyrota_contract::Round::Withdraw,
            },
            environment: &self.engine.env.name,
            secret: &self.secret.name,
            rotation: self.id,
            version: current.and_then(|v| v.id),
            fingerprint: &fingerprint,
            exposure: &exposure,
        };
        let (Ack::Told | Ack::Unchanged) = consumer.told.deliver(&delivery).await?;
        self.engine.kill.after_effect();
        Ok(Performed::done(learnt))
    }

    /// Whether a program has nothing new to see; files are compared when they are written. One that
    /// the machine tells twice in the same round is called twice: what it relies on may have been
    /// written only now.
    async fn knows(&self, round: Round, listener: &str, exposure_fp: &str) -> bool {
        let seen = self.engine.last_seen(&self.secret.name, listener).await;
        seen.is_some_and(|seen| {
            let told_again = seen.rotation == Some(self.id) && seen.round == round.name();
            seen.exposure_fp == exposure_fp && !told_again
        })
    }

    /// What a consumer is shown in a round.
    fn exposure(
        &self,
        round: Round,
        facts: &ConsumerFacts,
        m: &Material,
    ) -> Result<Exposure, Performed> {
        let fallback = match round {
            Round::Announce => m.pending.as_ref(),
            Round::Switch => m.previous.as_ref(),
            Round::Withdraw => None,
        };
        let shown = exposure::Shown {
            current: m.current.as_ref(),
            fallback,
        };
        let variables = exposure::variables(&facts.variables, shown).map_err(|_| {
            Performed::failed(
                Reply::Refused,
                "the value has no such field as the variables of the secret name",
            )
        })?;
        let jwks = match facts.key_set {
            true => Some(public_keys(shown)?),
            false => None,
        };
        Ok(Exposure { variables, jwks })
    }
}

/// The key set that verifiers are shown: the standby or retiring key beside the current one.
fn public_keys(shown: exposure::Shown<'_>) -> Result<String, ProviderError> {
    let public: Vec<_> = [shown.fallback, shown.current]
        .into_iter()
        .flatten()
        .map(|v| v.public.clone())
        .collect();
    view::key_set(&public)
}
