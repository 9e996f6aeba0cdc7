//! Replicas of a secret: the labels have to arrive everywhere.

use super::*;

#[tokio::test(start_paused = true)]
async fn replicas_are_waited_for_between_two_moves() {
    let state =
        |s: &str| format!(r#""ReplicationStatus":[{{"Region":"eu-west-1","Status":"{s}"}}]"#);
    let (behind, in_sync, failed) = (state("InProgress"), state("InSync"), state("Failed"));
    let (one, two) = (id(1).to_string(), id(2).to_string());
    let now = |more: &str| {
        let all: [(&str, &[&str]); 2] = [
            (&one, &["AWSPREVIOUS"]),
            (&two, &["AWSCURRENT", "AWSPENDING"]),
        ];
        described(&all, more)
    };
    let candidate = |more: &str| usual(Some(&["AWSPENDING"]), more);

    let (told, service) = promote([
        candidate(&behind),
        candidate(&in_sync),
        moved(),
        now(&behind),
        now(&behind),
        now(&in_sync),
        moved(),
    ])
    .await;
    told.unwrap();
    service.asked();

    // For ever: told to come back, and then nothing is moved before they have followed.
    let never = std::iter::repeat_with(|| now(&behind)).take(17);
    let (told, service) = promote(never).await;
    assert_eq!(told.unwrap_err().kind, ErrorKind::Ambiguous);
    service.asked();

    for (answers, kind) in [
        (vec![candidate(&failed)], ErrorKind::Unavailable),
        // The switch is done.
        (
            vec![candidate(&in_sync), moved(), now(&failed)],
            ErrorKind::Ambiguous,
        ),
    ] {
        let (told, service) = promote(answers).await;
        let told = told.unwrap_err();
        assert_eq!(told.kind, kind);
        assert!(told.context.contains("replica"), "{told}");
        service.asked();
    }
    let (told, _) = write([usual(None, &failed)]).await;
    assert_eq!(told.unwrap_err().kind, ErrorKind::Unavailable);
}
