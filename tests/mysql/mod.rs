//! The rotator of MySQL and MariaDB against a real MariaDB.

use crate::support::mariadb::Mariadb;

#[tokio::test]
async fn the_stock_client_tells_a_right_password_from_a_wrong_one() {
    let server = Mariadb::shared();
    let name = server.database().await;
    let user = format!("{name}_a");
    server
        .run(format!("CREATE USER {user}@'127.0.0.1' IDENTIFIED BY 'x'"))
        .await
        .unwrap();
    assert_eq!(server.client(&user, "x", "SELECT 1"), Ok("1\n".to_owned()));
    assert_eq!(server.client(&user, "y", "SELECT 1"), Err(1045));
}
