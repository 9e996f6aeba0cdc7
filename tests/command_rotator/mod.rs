//! Programs as rotators: the contract of examples/README.md, phase by phase, with real programs.

mod bed;
mod lives;
mod redis;

use std::io::Write;
use std::sync::{Arc, Mutex};

use keyrota::rotators::command::Command;
use keyrota::rotators::command::{Settings, SettingsError, Slots};
use keyrota_contract::{Material, Overlap, Probe, Quiet, Rotator, RotatorError, Target, Which};
use serde_json::{Value, json};

use Slots::{Dual, Single};
use bed::{
    ADMIN, Bed, CURRENT, PENDING, PREVIOUS, ROTATION, after_the_switch, before_the_switch, material,
};

const LISTENS: &str = "cat > $1/told; tr '\\0' '\\n' < /proc/$$/cmdline > $1/args; env > $1/env; \
                       echo '{\"accepted\":[]}'";

#[tokio::test]
async fn what_the_program_is_told() {
    let bed = Bed::new(Dual, LISTENS);
    let dual = bed.rotator();
    let told = |phase: &str, rotation: bool, value: Value, values: Value, uses: bool| {
        assert_eq!(
            bed.told(),
            json!({
                "schema_version": 1, "phase": phase, "environment": "staging", "secret": "token",
                "rotation": rotation.then_some(ROTATION), "value": value, "values": values,
                "uses": if uses { json!({"admin": ADMIN}) } else { json!({}) },
            })
        );
        for place in ["args", "env"] {
            assert!(!bed.file(place).contains("CANARY"), "{place}");
        }
    };
    let (before, after) = (before_the_switch(), after_the_switch());
    let both = json!({"current": CURRENT, "pending": PENDING});

    dual.install(Which::Pending, ROTATION, &before)
        .await
        .unwrap();
    told("accept", true, json!("pending"), both.clone(), true);
    dual.probe(Which::Pending, &before).await;
    told(
        "verify",
        true,
        json!("pending"),
        json!({"pending": PENDING}),
        false,
    );
    dual.refuse(Which::Pending, &before).await.unwrap();
    told("revoke", true, json!("pending"), both.clone(), true);
    dual.refuse(Which::Previous, &after).await.unwrap();
    let old = json!({"current": CURRENT, "previous": PREVIOUS});
    told("revoke", true, json!("previous"), old, true);
    dual.probe(Which::Previous, &after).await;
    told(
        "verify",
        true,
        json!("previous"),
        json!({"previous": PREVIOUS}),
        false,
    );
    dual.control(&before).await;
    let wrong = bed.told()["values"]["pending"].clone();
    assert_eq!(bed.told()["phase"], "verify");
    assert!(wrong.is_string() && wrong != PENDING && wrong != CURRENT);
    // The last call of a preflight asks about the current value.
    dual.preflight(&material(Some(CURRENT), None, None))
        .await
        .unwrap();
    told(
        "verify",
        false,
        json!("current"),
        json!({"current": CURRENT}),
        false,
    );

    let single = Command::new(Settings {
        slots: Single,
        ..bed.settings.clone()
    })
    .unwrap();
    single
        .install(Which::Pending, ROTATION, &before)
        .await
        .unwrap();
    told("activate", true, json!("pending"), both.clone(), true);
    single
        .install(Which::Current, ROTATION, &before)
        .await
        .unwrap();
    told("activate", true, json!("current"), both, true);
    single.probe(Which::Pending, &before).await;
    told(
        "query",
        true,
        json!("pending"),
        json!({"pending": PENDING}),
        true,
    );

    let shared = Command::new(Settings {
        lock: None,
        ..bed.settings.clone()
    })
    .unwrap();
    shared.quiesce(ROTATION, &before).await;
    told("quiesce", true, Value::Null, json!({}), true);
}

/// What came of a call, in a word.
fn word(outcome: Result<(), RotatorError>) -> &'static str {
    match outcome {
        Ok(()) => "done",
        Err(RotatorError::Retry(_) | RotatorError::Held(_)) => "retry",
        Err(RotatorError::Ambiguous(_)) => "ambiguous",
        Err(RotatorError::Refused(_)) => "refused",
        Err(RotatorError::Rejected(_)) => "rejected",
    }
}

#[tokio::test]
async fn what_the_exit_codes_mean() {
    use Probe::{Accepted, Blocked, Rejected, Unknown};
    // A program that ends so, and what that means in a change, a `verify` and a `preflight`.
    for (end, change, verify, preflight) in [
        ("exit 0", "done", Accepted, "done"),
        ("exit 76", "done", Unknown, "done"),
        ("exit 75", "retry", Unknown, "retry"),
        ("exit 64", "refused", Unknown, "done"),
        ("exit 65", "refused", Rejected, "refused"),
        ("exit 78", "refused", Unknown, "refused"),
        ("exit 77", "ambiguous", Blocked, "refused"),
        ("exit 1", "ambiguous", Unknown, "retry"),
        ("exit 127", "ambiguous", Unknown, "retry"),
        ("kill -9 $$", "ambiguous", Unknown, "retry"),
        // Deaf.
        ("exec 0<&-; exit 0", "done", Accepted, "done"),
    ] {
        let bed = Bed::new(Dual, end);
        let (dual, before) = (bed.rotator(), before_the_switch());
        let install = dual.install(Which::Pending, ROTATION, &before).await;
        assert_eq!(word(install), change, "accept: {end}");
        let refuse = dual.refuse(Which::Pending, &before).await;
        assert_eq!(word(refuse), change, "revoke: {end}");
        assert_eq!(dual.probe(Which::Pending, &before).await, verify, "{end}");
        assert_eq!(dual.control(&before).await, verify, "{end}");
        // Without a current value nothing else is asked.
        let nothing = material(None, None, None);
        let looked = dual.preflight(&nothing).await.map(|_| ());
        assert_eq!(word(looked), preflight, "preflight: {end}");

        let single = Command::new(Settings {
            slots: Single,
            ..bed.settings.clone()
        })
        .unwrap();
        let install = single.install(Which::Current, ROTATION, &before).await;
        assert_eq!(word(install), change, "activate: {end}");
        // No answer on its output: nothing is known, whatever the code.
        assert_eq!(
            single.probe(Which::Pending, &before).await,
            Unknown,
            "{end}"
        );
    }
}

#[tokio::test]
async fn a_query_is_believed_word_for_word() {
    use Probe::{Accepted, Rejected, Unknown};
    for (answer, expected) in [
        (r#"echo '{"accepted":["pending"]}'"#, Accepted),
        (r#"echo '{"accepted":[]}'"#, Rejected),
        (r#"echo '{"accepted":["current"]}'"#, Unknown),
        (r#"echo '{"accepted":["pending","current"]}'"#, Unknown),
        (r#"echo '{"accepted":["other"]}'"#, Unknown),
        (r#"echo '{"accepted":[],"more":1}'"#, Unknown),
        (r#"echo '{"accepted":[]} {}'"#, Unknown),
        (r#"echo '{"accepted":"pending"}'"#, Unknown),
        (r#"echo '{}'"#, Unknown),
        ("true", Unknown),
        (r#"echo '{"accepted":["pending"]}'; exit 65"#, Unknown),
        (r#"echo '{"accepted":[]}'; exit 75"#, Unknown),
        // A right beginning of more than is kept.
        (
            r#"echo '{"accepted":[]}'; head -c 70000 /dev/zero | tr '\0' ' '"#,
            Unknown,
        ),
    ] {
        let bed = Bed::new(Single, answer);
        let probe = bed
            .rotator()
            .probe(Which::Pending, &before_the_switch())
            .await;
        assert_eq!(probe, expected, "{answer}");
        let control = bed.rotator().control(&before_the_switch()).await;
        assert_eq!(control, expected, "{answer}");
    }
}

/// Answers each phase by its own line.
fn by_phase(lines: &[(&str, &str)]) -> String {
    let cases = lines
        .iter()
        .map(|(phase, line)| format!("*'\"phase\":\"{phase}\"'*) {line};;"));
    format!("case $(cat) in {} esac; exit 64", cases.collect::<String>())
}

#[tokio::test]
async fn a_preflight_needs_a_current_value_that_is_accepted() {
    let current = material(Some(CURRENT), None, None);
    for (slots, phase, line, expected) in [
        (Dual, "verify", "exit 0", "done"),
        (Dual, "verify", "exit 65", "refused"),
        (Dual, "verify", "exit 77", "retry"),
        (Dual, "verify", "exit 1", "retry"),
        (Dual, "another", "exit 0", "refused"),
        (
            Single,
            "query",
            "echo '{\"accepted\":[\"current\"]}'; exit 0",
            "done",
        ),
        (
            Single,
            "query",
            "echo '{\"accepted\":[]}'; exit 0",
            "refused",
        ),
        (Single, "query", "exit 1", "retry"),
        (Single, "another", "exit 0", "refused"),
    ] {
        let bed = Bed::new(slots, &by_phase(&[(phase, line)]));
        let mut outcome = bed.rotator().preflight(&current).await;
        if let Ok(report) = &mut outcome {
            // The current value has another shape than a new one would.
            assert_eq!(report.warnings.len(), 1);
        }
        assert_eq!(word(outcome.map(|_| ())), expected, "{phase} {line}");
    }
    let bed = Bed::new(Dual, "exit 0");
    std::fs::set_permissions(
        bed.path("program"),
        std::os::unix::fs::PermissionsExt::from_mode(0o722),
    )
    .unwrap();
    for outcome in [
        bed.rotator().preflight(&current).await.map(|_| ()),
        bed.rotator()
            .install(Which::Pending, ROTATION, &before_the_switch())
            .await,
    ] {
        assert!(matches!(outcome, Err(RotatorError::Refused(s)) if s.contains("writable")));
    }
}

#[tokio::test]
async fn where_hosts_share_the_state_the_program_must_know_quiesce() {
    for (line, preflight, quiet) in [
        ("exit 0", "done", Quiet::Quiet),
        ("exit 64", "refused", Quiet::Unknown),
        ("exit 75", "retry", Quiet::Unknown),
    ] {
        let mut bed = Bed::new(Dual, &by_phase(&[("quiesce", line), ("verify", "exit 0")]));
        bed.settings.lock = None;
        let outcome = bed
            .rotator()
            .preflight(&material(Some(CURRENT), None, None))
            .await;
        assert_eq!(word(outcome.map(|_| ())), preflight, "{line}");
        assert_eq!(
            bed.rotator().quiesce(ROTATION, &before_the_switch()).await,
            quiet,
            "{line}"
        );
    }
}

#[tokio::test]
async fn what_is_refused_without_the_program() {
    let bed = Bed::new(Dual, "touch $1/called; exit 0");
    let (dual, before) = (bed.rotator(), before_the_switch());
    assert_eq!(word(dual.refuse(Which::Current, &before).await), "refused");
    assert_eq!(word(dual.refuse(Which::Previous, &before).await), "retry");
    let without = Material {
        uses: Default::default(),
        ..before_the_switch()
    };
    assert_eq!(
        word(dual.install(Which::Pending, ROTATION, &without).await),
        "retry"
    );
    assert_eq!(dual.probe(Which::Previous, &before).await, Probe::Unknown);
    let single = Command::new(Settings {
        slots: Single,
        ..bed.settings.clone()
    })
    .unwrap();
    assert_eq!(
        word(single.refuse(Which::Previous, &after_the_switch()).await),
        "done"
    );
    assert!(!bed.path("called").exists());

    assert_eq!(
        (dual.overlap(), single.overlap()),
        (Overlap::Dual, Overlap::Replace)
    );
    assert_eq!(dual.uses(), ["admin"]);
    assert_eq!(dual.account(), "command staging/token");

    let wrong = |change: fn(&mut Settings)| {
        let mut settings = bed.settings.clone();
        change(&mut settings);
        Command::new(settings).unwrap_err()
    };
    assert!(matches!(
        wrong(|s| s.argv.clear()),
        SettingsError::Program(_)
    ));
    assert!(matches!(
        wrong(|s| s.argv[0] = "program".to_owned()),
        SettingsError::Program(_)
    ));
    assert!(matches!(
        wrong(|s| s.timeout = Default::default()),
        SettingsError::Program(_)
    ));
    assert!(matches!(wrong(|s| s.length = 8), SettingsError::Value(_)));
}

/// Everything that is logged, for one test.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_has_the_words_and_not_the_values() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::level_filters::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let body = "cat | tee /dev/stderr | base64 -w0 >&2; echo it went wrong >&2; \
                head -c 300000 /dev/zero | tr '\\0' x; exit 3";
    let (bed, before) = (Bed::new(Dual, body), before_the_switch());
    let outcome = bed
        .rotator()
        .install(Which::Pending, ROTATION, &before)
        .await;
    assert_eq!(word(outcome), "ambiguous");
    let logged = log.0.lock().unwrap().clone();
    let text = String::from_utf8_lossy(&logged);
    for word in [
        "it went wrong",
        "[redacted]",
        "[cut]",
        "code=3",
        "secret=\"token\"",
        "phase=\"accept\"",
    ] {
        assert!(text.contains(word), "{word}");
    }
    assert!(
        logged.len() < 70_000,
        "64 KiB of output made {}",
        logged.len()
    );
    let values = [("current", CURRENT), ("pending", PENDING), ("admin", ADMIN)];
    let leaks = crate::support::leaks::Leaks::of(&values);
    assert_eq!(leaks.find(&logged), [""; 0]);
}
