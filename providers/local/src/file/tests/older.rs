//! A document that is not the one that was read last, or not of this host.

use super::*;

#[tokio::test]
async fn an_older_or_vanished_document_is_noticed() {
    let (_dir, fixture) = Fixture::new();
    let p = fixture.provider();
    assert_eq!(p.document_info().unwrap(), None);
    put(&p, 1, "one").await.unwrap();
    let backup = fs::read(&fixture.path).unwrap();
    put(&p, 2, "two").await.unwrap();
    let info = |generation| {
        Some(DocumentInfo {
            generation,
            host: "ops-1".into(),
        })
    };
    assert_eq!(p.document_info().unwrap(), info(2));
    put(&p, 2, "two").await.unwrap();
    assert_eq!(
        p.document_info().unwrap(),
        info(2),
        "nothing changed, nothing written"
    );

    let fresh = fixture.provider();
    fresh.raise_generation_floor(2);
    fs::write(&fixture.path, &backup).unwrap();
    let wrote = fixture.provider();
    put(&wrote, 2, "two").await.unwrap();
    for p in [&p, &fresh, &wrote] {
        fs::write(&fixture.path, &backup).unwrap();
        assert_eq!(
            p.document_info().unwrap(),
            info(1),
            "the engine may look at it"
        );
        let error = put(p, 3, "three").await.unwrap_err();
        assert!(error.context.contains("older"), "{error}");
        assert_eq!(
            p.read(&at("a/key"), &VersionRef::Ours(id(1)))
                .await
                .unwrap_err(),
            error
        );
        assert_eq!(fs::read(&fixture.path).unwrap(), backup);

        fs::remove_file(&fixture.path).unwrap();
        assert!(
            put(p, 3, "three")
                .await
                .unwrap_err()
                .context
                .contains("gone")
        );
        assert!(!fixture.path.exists());
    }
}

#[tokio::test]
async fn a_document_belongs_to_the_host_that_wrote_it_first() {
    let (_dir, fixture) = Fixture::new();
    put(&fixture.provider(), 1, "one").await.unwrap();
    let other = FileProvider::new(
        &fixture.path,
        fixture.identities(),
        &[],
        "production",
        "ops-2",
    )
    .unwrap();
    let refused = put(&other, 2, "two").await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Denied);
    assert!(refused.context.contains("keyrota.toml: host = "));
    assert!(
        other
            .read(&at("a/key"), &VersionRef::Ours(id(1)))
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(other.document_info().unwrap().unwrap().host, "ops-1");
}
