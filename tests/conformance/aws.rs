//! The providers of AWS against moto, with signatures and policies enforced.

use std::sync::atomic::{AtomicU32, Ordering};

mod secrets_manager {
    use keyrota_contract::testing::Subject;

    use crate::support::moto::{Moto, secrets_manager};

    async fn subject() -> Subject {
        let moto = Moto::shared().await;
        let denied = secrets_manager(moto.config(), &moto.nobody);
        Subject::new(secrets_manager(moto.config(), &moto.admin), super::prefix())
            .with_denied(denied)
            .keeping(moto)
    }

    keyrota_contract::conformance!(self::subject);
}

mod ssm {
    use keyrota_contract::testing::Subject;

    use crate::support::moto::{Moto, ssm};

    async fn subject() -> Subject {
        let moto = Moto::shared().await;
        let denied = ssm(moto.config(), &moto.nobody);
        Subject::new(ssm(moto.config(), &moto.admin), super::prefix())
            .with_denied(denied)
            .keeping(moto)
    }

    keyrota_contract::conformance!(self::subject);
}

/// Tests that share a server share no name.
fn prefix() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("conformance/{}-{n}", std::process::id())
}
