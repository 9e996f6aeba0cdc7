#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use proptest::prelude::*;

use super::*;

fn remedy(value: &str, schemes: &[&str]) -> Option<String> {
    let schemes: Vec<String> = schemes.iter().map(|scheme| (*scheme).to_owned()).collect();
    check(value, &schemes).err().map(|fault| fault.remedy)
}

#[test]
fn sound_urls() {
    let urls = [
        "postgres://app_a:hR4%2FmZk%409wQ1@db.internal:5432/app?sslmode=verify-full",
        "postgresql://app@a:5432,b:5433/app?target_session_attrs=read-write",
        "postgres:///app?host=/run/postgresql&user=a@b",
        "postgres://h:5432/app?application_name=me@host",
        "mysql://app:p!ss;w=rd@[2001:db8::1]:3306/app",
        "https://key@o1.ingest.sentry.io/42",
        "https://host/@user/path?mail=a@b#c@d",
        "https://medium.example:8443/@user",
        "redis://:hR4mZk@cache:6379/0",
        "s3://bucket/key",
        "file:///etc/app/key",
        "https://bücher.example/",
        "nats://host:/",
    ];
    for url in urls {
        assert_eq!(remedy(url, &[]), None, "{url}");
    }
    assert_eq!(remedy("POSTGRES://h/db", &["postgres"]), None);
}

/// What IANA registered and what drivers, brokers, stores and proxies put before `://`.
#[rustfmt::skip] // a table of words reads better in lines than in a column
const OTHERS: [&str; 149] = [
    "acct", "acme", "afp", "amqp10", "azblob", "bolt", "bolt+s", "bolt+ssc", "bolt+routing",
    "cassandra", "clickhouse", "clickhouses", "cockroachdb", "coap", "coaps", "coap+tcp",
    "coaps+ws", "couchbase", "couchbases", "couchdb", "crdb", "cql", "dns", "docker", "docker+ssl",
    "doh", "doip", "dynamodb", "elasticsearch", "etcd", "etcds", "feed", "fish", "ftp", "ftps",
    "git", "git+ssh", "git+https", "gopher", "grpc", "grpcs", "gs", "h2", "hdfs", "http+unix",
    "https+unix", "httpunix", "icap", "imap", "imaps", "influxdb", "influxdb2", "ipfs", "ipp",
    "ipps", "irc", "ircs", "jaeger", "jms", "kafka", "kafka+ssl", "kafkas", "ldap", "ldapi",
    "ldaps", "libsql", "libsqls", "memcache", "memcached", "mms", "mongo", "mqtt", "mqtts",
    "mqtt+ssl", "mssql+pymssql", "mysql+mysqlconnector", "mysql+srv", "mariadb+mariadbconnector",
    "nats+tls", "neo4j", "neo4j+s", "neo4j+ssc", "nfs", "nntp", "ntp", "oci", "odbc", "opensearch",
    "oracle", "otlp", "pg", "pgsql", "pgx", "pop", "pop3", "pop3s", "postgis", "prometheus",
    "pulsar", "pulsar+ssl", "rabbitmq", "redis+cluster", "redis+sentinel", "redis+socket",
    "rediss+cluster", "redis-sentinel", "redis-socket", "rsync", "rtmp", "rtmps", "rtsp", "rtsps",
    "s3", "s3a", "s3n", "sftp", "smb", "smtp+tls", "snowflake", "snmp", "socks4", "socks5",
    "socks5h", "spanner", "sqlserver", "ssh", "statsd", "stomp", "stomp+ssl", "syslog", "tcp",
    "tcps", "telnet", "tds", "tftp", "tls", "trino", "udp", "unix", "valkey", "valkeys", "vault",
    "vertica", "vnc", "ws", "wss", "xmpp-client", "zk", "zookeeper",
];

#[test]
fn a_scheme_that_exists_is_not_misspelled() {
    for scheme in OTHERS
        .iter()
        .chain(&SCHEMES)
        .chain(&NOT_MISSPELLED)
        .chain(&SERVERS)
    {
        for url in [
            format!("{scheme}://user:pa%40ss@host.example:1234/path?a=b"),
            format!("{scheme}://h/"),
        ] {
            assert_eq!(remedy(&url, &[]), None, "{url}");
            assert_eq!(
                remedy(&url.to_ascii_uppercase().replace("PA%40SS", "pa%40ss"), &[]),
                None,
                "{url}"
            );
        }
    }
    for slip in [
        "htps",
        "htpps",
        "httsp",
        "postgress",
        "postgre",
        "mysq",
        "mongdb",
        "rediis",
        "maridb",
    ] {
        let told = remedy(&format!("{slip}://h/"), &[]).unwrap();
        assert!(told.contains("misspelled"), "{slip}: {told}");
    }
}

#[test]
fn urls_of_drivers() {
    for url in [
        "jdbc:postgresql://db.internal:5432/app?user=app",
        "jdbc:mysql://db/app",
        "jdbc:oracle:thin:@//db.internal:1521/app",
        "jdbc:h2:mem:test",
        "jdbc:sqlserver://db.internal:1433;databaseName=app;encrypt=true",
        "r2dbc:postgresql://db/app",
        "sqlserver://db.internal:1433;database=app;user=sa;password=p@ss",
        "sqlserver://db.internal;database=app",
        "sqlserver://sa:p;ss@db.internal:1433;database=app",
        "sqlserver://sa:pass@db.internal:1433?database=app",
        "mssql://sa:pass@db.internal:1433/app",
        "mysql+pymysql://app:pass@db/app",
        "postgresql+psycopg2://app@db/app",
        "http+unix://%2Frun%2Fdocker.sock/info",
        "mailto:ops@example.com",
        "sqlite:app.db",
        "sqlite:///srv/app.db",
        "unix:/run/app.sock",
        "urn:isbn:0451450523",
    ] {
        assert_eq!(remedy(url, &[]), None, "{url}");
    }
    for (url, expected) in [
        (
            "jdbc:postgresql://db:99999/app",
            "the port after the host must be a number from 1 to 65535",
        ),
        (
            "sqlserver://db:99999;database=app",
            "the port after the host must be a number from 1 to 65535",
        ),
        (
            "jdbc:postgresql://app:p@s@db/app",
            "the @ at character 24 is not escaped: percent-encode the password (@ is written %40)",
        ),
        (
            "localhost:8080",
            "it is not a URL: it must begin like https://",
        ),
        ("mailto:", "it is not a URL: it must begin like https://"),
    ] {
        assert_eq!(remedy(url, &[]).as_deref(), Some(expected), "{url}");
    }
    let allowed = ["https"];
    assert!(remedy("mailto:ops@example.com", &allowed).is_some());
    assert!(remedy("jdbc:postgresql://db/app", &allowed).is_some());
}

#[test]
fn mistakes_are_placed() {
    let escape = |at: usize, c: char, code: &str| {
        format!(
            "the {c} at character {at} is not escaped: percent-encode the password ({c} is written {code})"
        )
    };
    let cases = [
        ("postgres://app:p@ss@db:5432/app", escape(17, '@', "%40")),
        ("postgres://app:p@s/s@db:5432/app", escape(17, '@', "%40")),
        ("postgres://app:pa/ss@db:5432/app", escape(18, '/', "%2F")),
        ("postgres://app:12/ss@db:5432/app", escape(18, '/', "%2F")),
        ("postgres://app:pa?ss@db:5432/app", escape(18, '?', "%3F")),
        ("postgres://app:pa#ss@db:5432/app", escape(18, '#', "%23")),
        ("https://app:pa#ss@host/", escape(15, '#', "%23")),
        ("postgres://app:pa%ss@db:5432/app", escape(18, '%', "%25")),
        ("postgres://app:pass%4@db/app", escape(20, '%', "%25")),
        ("postgres://app:p[ss@db/app", escape(17, '[', "%5B")),
        (
            "postgres://app:pä\"s@db/app",
            "character 17 is not escaped: percent-encode the password".into(),
        ),
        (
            "postgres://app:pa ss@db/app",
            "a URL holds no white space: see character 18".into(),
        ),
        (
            "postgress://app@db/app",
            "its scheme is misspelled: did you mean postgres://?".into(),
        ),
        (
            "htps://host",
            "its scheme is misspelled: did you mean https://?".into(),
        ),
        (
            "db.internal:5432/app",
            "it is not a URL: it must begin like https://".into(),
        ),
        (
            "postgres://db:99999/app",
            "the port after the host must be a number from 1 to 65535".into(),
        ),
        (
            "postgres://[2001:db8::1/app",
            "the IPv6 address lacks its closing bracket".into(),
        ),
        (
            "postgres://[db]/app",
            "the text in brackets is not an IPv6 address".into(),
        ),
        ("https:///path", "it names no host".into()),
        (
            "postgres://h/d?pasword=1",
            "its parameter pasword is misspelled: did you mean password?".into(),
        ),
        (
            "postgres://h/d?a=1&sslmdoe=x",
            "its parameter sslmdoe is misspelled: did you mean sslmode?".into(),
        ),
    ];
    for (url, expected) in cases {
        assert_eq!(remedy(url, &[]), Some(expected), "{url}");
    }
}

#[test]
fn only_listed_schemes() {
    let allowed = ["postgres", "postgresql"];
    assert_eq!(
        remedy("mysql://db/app", &allowed).unwrap(),
        "its scheme must be one of postgres://, postgresql://"
    );
    let misspelled = remedy("postgressql://db/app", &allowed).unwrap();
    assert_eq!(
        misspelled,
        "its scheme is misspelled: did you mean postgresql://?"
    );
    assert_eq!(
        remedy("db/app", &allowed).unwrap(),
        "it is not a URL: it must begin like postgres://"
    );
}

fn encoded(password: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    password.bytes().map(escape).collect()
}

proptest! {
    #[test]
    fn an_encoded_password_is_always_accepted(password in "\\PC{1,40}") {
        let url = format!("postgres://app:{}@db.internal:5432/app", encoded(&password));
        prop_assert_eq!(remedy(&url, &["postgres"]), None);
    }

    #[test]
    fn an_unescaped_delimiter_is_always_found(before in "[a-z]{1,9}", found in "[@/?#]", after in "[a-z0-9]{0,9}") {
        let url = format!("postgres://app:{before}{found}{after}@db.internal:5432/app");
        let remedy = remedy(&url, &["postgres"]).unwrap();
        let at = format!("the {found} at character {} ", 16 + before.len());
        prop_assert!(remedy.starts_with(&at), "{}", remedy);
    }

    #[test]
    fn nothing_panics_and_nothing_is_repeated(value in "(postgres://)?[ -~äß€]{0,40}") {
        let remedy = remedy(&value, &[]).unwrap_or_default();
        prop_assert!(value.len() < 4 || !remedy.contains(&value));
        parts(&value);
    }
}
