//! The version that an effect is about, and what stands for a server where there is none.

use keyrota_contract::{
    Material, Minted, Probe, Public, RotatorError, SecretValue, Version, Which,
};

/// The version an effect is about, if the engine could read one.
pub fn pick(which: Which, m: &Material) -> Option<&Version> {
    match which {
        Which::Current => m.current.as_ref(),
        Which::Pending => m.pending.as_ref(),
        Which::Previous => m.previous.as_ref(),
    }
}

/// What somebody else made, with nothing public about it, if `checked` says that it is sound.
pub fn adopted(
    value: SecretValue,
    checked: Result<(), &'static str>,
) -> Result<Minted, RotatorError> {
    checked.map_err(RotatorError::Refused)?;
    Ok(Minted {
        value,
        public: Public::new(),
    })
}

/// The probe of a kind that no server knows: what is stored is `check`ed.
pub fn probed(
    which: Which,
    m: &Material,
    check: impl FnOnce(&Version) -> Result<(), &'static str>,
) -> Probe {
    match pick(which, m).map(check) {
        None => Probe::Unknown,
        Some(Ok(())) => Probe::Accepted,
        Some(Err(_)) => Probe::Rejected,
    }
}
