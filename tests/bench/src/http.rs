//! A keep-alive HTTP/1.1 connection that costs the load generator next to nothing: one write, one buffer, no parsing
//! beyond the status and `content-length`.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// # Errors
    /// When nobody listens.
    pub async fn open(addr: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(addr)
            .await
            .with_context(|| format!("cannot connect to {addr}"))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(16 * 1024),
        })
    }

    /// Sends a whole request and reads the whole response. Returns the body of a 200.
    ///
    /// # Errors
    /// When the connection breaks, or the response is not a 200 with `content-length`.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<&[u8]> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let mut body = None;
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!(
                    "the server closed the connection after: {}",
                    String::from_utf8_lossy(&self.buffer)
                );
            }
            if body.is_none() {
                body = body_range(&self.buffer)?;
            }
            if let Some((start, end)) = body
                && self.buffer.len() >= end
            {
                return Ok(&self.buffer[start..end]);
            }
        }
    }

    /// Runs a GraphQL operation and returns its `data`.
    ///
    /// # Errors
    /// As [`Self::exchange`]; also when the answer has errors or a payload has `userErrors`.
    pub async fn graphql(&mut self, token: Option<&str>, query: &str, variables: Value) -> Result<Value> {
        let body = json!({ "query": query, "variables": variables }).to_string();
        let mut answer: Value = serde_json::from_slice(self.exchange(&graphql_request(token, &body)).await?)?;
        let refused = answer["data"].as_object().is_some_and(|data| {
            data.values().any(|payload| {
                payload["userErrors"]
                    .as_array()
                    .is_some_and(|errors| !errors.is_empty())
            })
        });
        if answer.get("errors").is_some() || refused {
            bail!("{query}: {answer}");
        }
        Ok(answer["data"].take())
    }
}

/// The bytes of a POST to /graphql.
pub fn graphql_request(token: Option<&str>, body: &str) -> Vec<u8> {
    let authorization = token
        .map(|token| format!("authorization: Bearer {token}\r\n"))
        .unwrap_or_default();
    format!("POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\naccept: application/json\r\n{authorization}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Where the body of the response begins and ends, once its head is here.
fn body_range(buffer: &[u8]) -> Result<Option<(usize, usize)>> {
    let Some(head) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&buffer[..head]).context("a response's head is ASCII")?;
    if !text.starts_with("HTTP/1.1 200 ") {
        bail!("not a 200: {}", String::from_utf8_lossy(buffer));
    }
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    let start = head + 4;
    Ok(Some((
        start,
        start + length.context("a response without content-length")?,
    )))
}

#[cfg(test)]
mod tests {
    use super::body_range;

    #[test]
    fn a_body_is_found_once_the_head_is_complete() {
        assert_eq!(
            body_range(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n").expect("incomplete"),
            None
        );
        assert_eq!(
            body_range(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{").expect("complete"),
            Some((38, 40))
        );
        assert!(body_range(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n").is_err());
        assert!(body_range(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
