//! The contract.

use keyrota_contract::testing::Subject;
use serde_json::json;

use crate::support::openbao::OpenBao;

keyrota_contract::conformance!(subject);

async fn subject() -> Subject {
    let server = OpenBao::start().await;
    let nothing = server.token("nothing", "# may do nothing", json!({})).await;
    Subject::new(server.provider(server.root_token()), "promises")
        .with_denied(server.provider(&nothing))
        .keeping(server)
}
