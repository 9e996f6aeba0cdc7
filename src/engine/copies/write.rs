//! Writing at the place of a copy, and taking away what is over there.

use aws_lc_rs::digest::{SHA256, digest};
use keyrota_contract::{
    ErrorKind, Material, Native, ProviderError, Public, SecretValue, Stage, VersionInfo, VersionRef,
};
use keyrota_rotation::Reply;
use uuid::Uuid;

use super::place::Copy;
use crate::engine::job::Job;
use crate::engine::performed::Performed;

impl Job<'_> {
    /// Makes a copy what it has to be; `from` is what is current there.
    pub(in crate::engine) async fn make_copy(
        &self,
        copy: &Copy<'_>,
        from: Option<Native>,
        wanted: Option<&SecretValue>,
    ) -> Result<(), Performed> {
        match (wanted, from) {
            (Some(wanted), from) => self.write_copy(copy, from, wanted).await,
            (None, Some(from)) => {
                let removed = copy.provider.remove(&copy.place, &from).await;
                removed.map_err(moved)?;
                self.engine.kill.after_effect();
                Ok(())
            }
            (None, None) => Ok(()),
        }
    }

    /// What an earlier try had begun to write there is nobody's any more.
    pub(super) async fn end_candidate(&self, copy: &Copy<'_>) -> Result<(), Performed> {
        let versions = copy.provider.describe(&copy.place).await?;
        let ours = |v: &VersionInfo| v.ours.filter(|_| v.stages.contains(&Stage::Pending));
        if let Some(id) = versions.iter().find_map(ours) {
            let candidate = VersionRef::Ours(id);
            copy.provider.destroy(&copy.place, &candidate).await?;
            self.engine.kill.after_effect();
        }
        Ok(())
    }

    /// Pending, then current by a compare-and-set. A crash in between is found by the id: it is
    /// made of the rotation, the place, the version that is replaced, and what replaces it: a way
    /// back writes something else than the way forward had begun to.
    async fn write_copy(
        &self,
        copy: &Copy<'_>,
        from: Option<Native>,
        wanted: &SecretValue,
    ) -> Result<(), Performed> {
        let print = self.copy_print(copy, Some(wanted));
        let id = version_id(self.id, &copy.key, from.as_ref(), &print);
        let (provider, place) = (&copy.provider, &copy.place);
        let written = provider.write(place, id, wanted, &Public::new()).await;
        written.map_err(moved)?;
        self.engine.kill.after_effect();
        let promoted = provider.promote(place, id, from.as_ref()).await;
        promoted.map_err(moved)?;
        self.engine.kill.after_effect();
        let current = VersionRef::Stage(Stage::Current);
        let read = provider.read(place, &current).await?;
        match read.is_some_and(|read| read.same_as(wanted)) {
            true => Ok(()),
            false => Err(Performed::failed(
                Reply::Ambiguous,
                "the provider of a copy does not give back what was written to it",
            )),
        }
    }

    /// What this rotation replaced is ended: at the place of a fallback what it wrote itself, in
    /// every round; when it `retires` also what stood there before it. Where it wrote nothing, nothing;
    /// and what somebody else wrote stays, it may be all they have of it.
    pub(super) async fn end_previous(
        &self,
        copy: &Copy<'_>,
        retires: Option<&Material>,
    ) -> Result<(), Performed> {
        let versions = copy.provider.describe(&copy.place).await?;
        let at = |stage| versions.iter().find(|v| v.stages.contains(&stage));
        let made_now =
            |v: Option<&VersionInfo>| v.and_then(|v| v.ours).is_some_and(|id| is_of(id, self.id));
        let (true, Some(previous)) = (made_now(at(Stage::Current)), at(Stage::Previous)) else {
            return Ok(());
        };
        let version = VersionRef::Native(previous.native.clone());
        let is_over = match (previous.ours, retires) {
            (Some(_), Some(_)) => true,
            (Some(_), None) => made_now(Some(previous)),
            (None, None) => false,
            // Put there by a person, as keyrota asks for when it first meets a place.
            (None, Some(m)) => match copy.provider.read(&copy.place, &version).await? {
                Some(value) => m
                    .previous
                    .as_ref()
                    .is_some_and(|v| copy.shows_of(v, &value)),
                None => false,
            },
        };
        if is_over {
            copy.provider.destroy(&copy.place, &version).await?;
            self.engine.kill.after_effect();
        }
        Ok(())
    }
}

/// A conflict is somebody else at work in the same instant: the place is looked at again, and what
/// they wrote is told before anything else is done.
fn moved(why: ProviderError) -> Performed {
    match why.kind {
        ErrorKind::Conflict => Performed::failed(Reply::Retry, why.context),
        _ => why.into(),
    }
}

/// The id of a copy's version. In the form of the rotation's own (version 7, by which stores tell
/// ours from others'), and beginning like it.
fn version_id(rotation: Uuid, key: &str, from: Option<&Native>, print: &str) -> Uuid {
    let from = from.map_or("", |native| &native.0);
    let text = format!("keyrota-copy-v1\0{rotation}\0{key}\0{from}\0{print}");
    let hash = digest(&SHA256, text.as_bytes());
    let mut bytes = *rotation.as_bytes();
    bytes[8..].copy_from_slice(&hash.as_ref()[..8]);
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Uuid::from_bytes(bytes)
}

/// Whether a copy's version was made in this rotation.
pub(super) fn is_of(id: Uuid, rotation: Uuid) -> bool {
    id.as_bytes()[..8] == rotation.as_bytes()[..8]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_copy_is_one_for_each_rotation_place_version_replaced_and_value() {
        let rotation = |n: u128| Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + n);
        let (a, b) = (Native("1".to_owned()), Native("2".to_owned()));
        let all = [
            version_id(rotation(1), "copy:a:x", None, "p"),
            version_id(rotation(1), "copy:a:x", Some(&a), "p"),
            version_id(rotation(1), "copy:a:x", Some(&a), "q"),
            version_id(rotation(1), "copy:a:x", Some(&b), "p"),
            version_id(rotation(1), "copy:a:y", Some(&a), "p"),
            version_id(rotation(2), "copy:a:x", Some(&a), "p"),
        ];
        for (n, id) in all.iter().enumerate() {
            assert_eq!(id.get_version_num(), 7);
            assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
            assert!(is_of(*id, rotation(1)));
            assert!(!all[n + 1..].contains(id));
        }
        assert_eq!(all[1], version_id(rotation(1), "copy:a:x", Some(&a), "p"));
        let later = Uuid::from_u128(0x0190_0000_0001_7000_8000_0000_0000_0000);
        assert!(!is_of(all[0], later));
    }
}
