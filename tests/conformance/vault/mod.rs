//! The provider `vault` against OpenBao, over TLS.

mod faults;
mod hands;
mod kills;
mod login;
mod numbers;
mod promises;
mod replies;
mod rights;
mod silence;
mod trouble;
mod whole;

use keyrota_contract::{
    ErrorKind, Native, Place, Provider, ProviderError, Public, SecretValue, Stage, VersionRef,
};
use keyrota_rest::vault::VaultProvider;
use uuid::Uuid;

const CURRENT: VersionRef = VersionRef::Stage(Stage::Current);
const PREVIOUS: VersionRef = VersionRef::Stage(Stage::Previous);

fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0000 + n)
}

async fn write(
    p: &VaultProvider,
    at: &Place,
    n: u128,
    value: &str,
) -> Result<Native, ProviderError> {
    let value = SecretValue::copy_of(value.as_bytes());
    p.write(at, id(n), &value, &Public::new()).await
}

async fn native(p: &VaultProvider, at: &Place, stage: Stage) -> Option<Native> {
    let all = p.describe(at).await.unwrap();
    let held = all.into_iter().find(|v| v.stages.contains(&stage));
    held.map(|v| v.native)
}

/// Writes and promotes; the name of the version.
async fn make_current(p: &VaultProvider, at: &Place, n: u128, value: &str) -> Native {
    let from = native(p, at, Stage::Current).await;
    write(p, at, n, value).await.unwrap();
    p.promote(at, id(n), from.as_ref()).await.unwrap()
}

async fn read(
    p: &VaultProvider,
    at: &Place,
    v: &VersionRef,
) -> Result<Option<String>, ProviderError> {
    let value = p.read(at, v).await?;
    Ok(value.map(|value| value.expose_to(|bytes| String::from_utf8(bytes.to_vec()).unwrap())))
}

/// What readers find.
async fn current(p: &VaultProvider, at: &Place) -> Option<String> {
    read(p, at, &CURRENT).await.unwrap()
}

/// Which of our ids holds a stage.
async fn holder(p: &VaultProvider, at: &Place, stage: Stage) -> Option<Uuid> {
    let all = p.describe(at).await.unwrap();
    let held = all.into_iter().find(|v| v.stages.contains(&stage));
    held.and_then(|v| v.ours)
}

fn kind<T>(result: Result<T, ProviderError>) -> Option<ErrorKind> {
    result.err().map(|e| e.kind)
}

fn sentence<T>(result: Result<T, ProviderError>) -> &'static str {
    result.err().map_or("no error", |e| e.context)
}
