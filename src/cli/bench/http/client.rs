//! The cheapest client that there is: requests that are ready to be sent, one connection each,
//! an answer read no further than its length and what it says of each entry.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest answer, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// What the answer says of an entry that is sealed.
const SEALED: &str = "\"status\":\"sealed\"";

/// A request, down to the last byte.
pub struct Request {
    bytes: Vec<u8>,
    /// How many entries it has; none, where it asks.
    pub entries: usize,
}

impl Request {
    /// One entry, or an array of them.
    pub fn new(entries: &[String]) -> Self {
        let body = match entries {
            [one] => one.clone(),
            many => format!("[{}]", many.join(",")),
        };
        let head = format!(
            "POST /v1/entries HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        Self { bytes: [head, body].concat().into_bytes(), entries: entries.len() }
    }

    /// A question.
    pub fn get(path: &str) -> Self {
        let head = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
        Self { bytes: head.into_bytes(), entries: 0 }
    }
}

/// A connection that stays open.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("can't reach the node")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Sends a request and waits for the answer, which says that each of its entries is sealed, or
    /// what was asked for.
    pub async fn submit(&mut self, request: &Request) -> anyhow::Result<()> {
        self.stream.write_all(&request.bytes).await?;
        self.buffer.clear();
        let (head_bytes, body_bytes) = loop {
            self.read_more().await?;
            if let Some(lengths) = lengths(&self.buffer)? {
                break lengths;
            }
        };
        while self.buffer.len() < head_bytes + body_bytes {
            self.read_more().await?;
        }
        if request.entries == 0 {
            let found = self.buffer.starts_with(b"HTTP/1.1 200");
            ensure!(found, "the node did not answer: {}", String::from_utf8_lossy(&self.buffer));
            return Ok(());
        }
        let answer = String::from_utf8_lossy(&self.buffer);
        let sealed = answer.matches(SEALED).count();
        let beginning: String = answer.chars().take(600).collect();
        ensure!(sealed == request.entries, "the node did not seal everything: {beginning}");
        Ok(())
    }

    async fn read_more(&mut self) -> anyhow::Result<()> {
        ensure!(self.buffer.len() < MAX_ANSWER_BYTES, "the node's answer has no end");
        let read = self.stream.read_buf(&mut self.buffer).await?;
        ensure!(read > 0, "the node closed the connection");
        Ok(())
    }
}

/// The length of an answer's head, and that of its body, once the head is there.
fn lengths(answer: &[u8]) -> anyhow::Result<Option<(usize, usize)>> {
    const END: &[u8] = b"\r\n\r\n";
    let Some(end) = answer.windows(END.len()).position(|window| window == END) else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(answer.get(..end).unwrap_or_default()).to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .and_then(|length| length.trim().parse().ok());
    Ok(Some((end + END.len(), length.context("the node's answer has no length")?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_measured_once_its_head_is_there() {
        let head = "HTTP/1.1 201 Created\r\nContent-Length: 12\r\nx: y\r\n\r\n";
        let cases: [(&str, Option<(usize, usize)>); 3] = [
            ("HTTP/1.1 201 Created\r\ncontent-le", None),
            (head, Some((head.len(), 12))),
            (&format!("{head}twelve"), Some((head.len(), 12))),
        ];
        for (answer, expected) in cases {
            assert_eq!(lengths(answer.as_bytes()).unwrap(), expected, "{answer}");
        }
        assert!(lengths(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }

    #[test]
    fn a_request_says_its_length() {
        let one = Request::new(&["{}".to_owned()]);
        assert!(one.bytes.ends_with(b"content-length: 2\r\n\r\n{}"));
        let two = Request::new(&["{}".to_owned(), "{}".to_owned()]);
        assert!(two.bytes.ends_with(b"content-length: 7\r\n\r\n[{},{}]"));
        assert_eq!((one.entries, two.entries), (1, 2));
    }
}
