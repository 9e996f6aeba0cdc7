//! A service that gives prepared answers, in the shape that AWS documents, for what no test server
//! does as AWS does it.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use keyrota_contract::{Place, Public, SecretValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

use crate::AwsConfig;

/// One call: the operation that is expected, and its answer.
pub(crate) struct Answer {
    operation: &'static str,
    status: u16,
    body: String,
}

/// A call that succeeds.
pub(crate) fn ok(operation: &'static str, body: impl Into<String>) -> Answer {
    Answer {
        operation,
        status: 200,
        body: body.into(),
    }
}

/// A call that fails, with AWS' code and words.
pub(crate) fn fails(operation: &'static str, status: u16, code: &str, words: &str) -> Answer {
    Answer {
        operation,
        status,
        body: format!(r#"{{"__type":"{code}","message":"{words}","Message":"{words}"}}"#),
    }
}

/// Answers in order, and keeps what it was asked.
pub(crate) struct Service {
    pub config: AwsConfig,
    left: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Service {
    pub(crate) async fn with(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = Self {
            config: AwsConfig {
                region: "eu-central-1".to_owned(),
                endpoint_url: Some(format!("http://{address}")),
                ..AwsConfig::default()
            },
            left: Arc::new(Mutex::new(answers.into_iter().collect())),
            asked: Arc::default(),
        };
        let (left, asked) = (service.left.clone(), service.asked.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                serve(client, &left, &asked).await;
            }
        });
        service
    }

    /// The bodies of what was asked, in order, once every prepared answer was given.
    pub(crate) fn asked(&self) -> Vec<String> {
        let left = self.left.lock().unwrap();
        let left: Vec<_> = left.iter().map(|a| a.operation).collect();
        assert!(left.is_empty(), "not asked: {left:?}");
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(mut client: TcpStream, left: &Mutex<VecDeque<Answer>>, asked: &Mutex<Vec<String>>) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16_384];
    let (head, body) = loop {
        let n = client.read(&mut buffer).await.unwrap();
        bytes.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|l| {
                let (name, value) = l.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length").then_some(value)
            });
            if body.len() >= length.unwrap().parse().unwrap() {
                break (head.to_lowercase(), body.to_owned());
            }
        }
    };
    let answer = left.lock().unwrap().pop_front();
    let answer = answer.unwrap_or_else(|| fails("", 418, "NotPrepared", &head));
    let operation = format!(".{}", answer.operation.to_lowercase());
    let expected = head
        .lines()
        .any(|l| l.starts_with("x-amz-target") && l.ends_with(&operation));
    let Answer {
        status,
        body: reply,
        ..
    } = match expected {
        true => answer,
        // A teapot is nothing that a provider takes for a decent error.
        false => fails("", 418, "NotExpected", ""),
    };
    asked.lock().unwrap().push(body);
    let reply = format!(
        "HTTP/1.1 {status} As told\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{reply}",
        reply.len()
    );
    client.write_all(reply.as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
}

/// Where all tests keep their secret.
pub(crate) fn at() -> Place {
    Place::new("app/key")
}

/// An id as keyrota makes them.
pub(crate) fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0000 + n)
}

pub(crate) fn value(text: &str) -> SecretValue {
    SecretValue::copy_of(text.as_bytes())
}

pub(crate) fn nothing() -> Public {
    Public::new()
}

impl Answer {
    /// The same with other words in it.
    pub(crate) fn replacing(self, words: &str, others: &str) -> Self {
        assert!(self.body.contains(words), "{words}");
        Self {
            body: self.body.replace(words, others),
            ..self
        }
    }
}
