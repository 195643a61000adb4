//! Lines of a body, one at a time, in bounded memory.

use axum::body::{Body, BodyDataStream};
use bytes::{Buf, Bytes, BytesMut};
use futures::StreamExt;

use crate::protocol::text::MAX_ENTRY_TEXT_BYTES;

/// The longest line that is kept, in bytes.
const MAX_LINE_BYTES: usize = MAX_ENTRY_TEXT_BYTES;

/// Reads lines from a body. Blank ones are counted and left out.
pub struct Lines {
    chunks: BodyDataStream,
    buffer: BytesMut,
    /// How much of the buffer was searched for a newline already.
    searched: usize,
    /// Whether the rest of a line that is too long is being passed over.
    passing_over: bool,
    /// How many lines were read.
    read: u64,
}

/// A line.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// Which one, from 1.
    pub number: u64,
    /// Its text, without the newline; nothing if it was too long to keep.
    pub text: Option<Bytes>,
}

impl Lines {
    /// The lines of `body`.
    pub fn new(body: Body) -> Self {
        Self {
            chunks: body.into_data_stream(),
            buffer: BytesMut::new(),
            searched: 0,
            passing_over: false,
            read: 0,
        }
    }

    /// The number of the next line.
    pub fn next_number(&self) -> u64 {
        self.read + 1
    }

    /// The next line that has come whole, if one has.
    pub fn buffered(&mut self) -> Option<Line> {
        loop {
            let fresh = self.buffer.get(self.searched..).unwrap_or_default();
            let Some(offset) = fresh.iter().position(|byte| *byte == b'\n') else {
                self.searched = self.buffer.len();
                if self.buffer.len() > MAX_LINE_BYTES {
                    self.passing_over = true;
                    self.buffer.clear();
                    self.searched = 0;
                }
                return None;
            };
            let text = self.buffer.split_to(self.searched + offset);
            self.buffer.advance(1);
            self.searched = 0;
            if let Some(line) = self.line(text) {
                return Some(line);
            }
        }
    }

    /// Waits for more of the body; false at its end. May be cancelled.
    ///
    /// # Errors
    /// When the body broke off.
    pub async fn more(&mut self) -> Result<bool, axum::Error> {
        match self.chunks.next().await {
            Some(chunk) => {
                self.buffer.extend_from_slice(&chunk?);
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// What stands after the last newline, for a body that has ended.
    pub fn last(&mut self) -> Option<Line> {
        let rest = self.buffer.split();
        self.line(rest)
    }

    fn line(&mut self, text: BytesMut) -> Option<Line> {
        let too_long = std::mem::take(&mut self.passing_over) || text.len() > MAX_LINE_BYTES;
        self.read += 1;
        let number = self.read;
        if too_long {
            return Some(Line { number, text: None });
        }
        let blank = text.iter().all(u8::is_ascii_whitespace);
        (!blank).then(|| Line { number, text: Some(text.freeze()) })
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::stream;

    use super::*;

    async fn lines(chunks: Vec<Vec<u8>>) -> Vec<(u64, Option<usize>)> {
        let chunks = chunks.into_iter().map(Ok::<_, Infallible>);
        let mut lines = Lines::new(Body::from_stream(stream::iter(chunks)));
        let mut found = Vec::new();
        loop {
            while let Some(line) = lines.buffered() {
                found.push((line.number, line.text.map(|text| text.len())));
            }
            assert!(lines.buffer.len() <= MAX_LINE_BYTES);
            if !lines.more().await.unwrap() {
                break;
            }
        }
        found.extend(lines.last().map(|line| (line.number, line.text.map(|text| text.len()))));
        found
    }

    #[tokio::test]
    async fn finds_lines_however_they_are_cut() {
        let longest = vec![b'x'; MAX_LINE_BYTES];
        let mut too_long = vec![b'x'; MAX_LINE_BYTES + 1];
        let text = [b"one\n\n  \r\nfour\n", longest.as_slice(), b"\nsix"].concat();
        let expected = vec![(1, Some(3)), (4, Some(4)), (5, Some(MAX_LINE_BYTES)), (6, Some(3))];
        for size in [1, 2, 3, 7, 1000, 65_536, text.len()] {
            let chunks = text.chunks(size).map(<[u8]>::to_vec).collect();
            assert_eq!(lines(chunks).await, expected, "in chunks of {size}");
        }
        too_long.extend_from_slice(b"\nnext\n");
        for size in [999, 65_536, too_long.len()] {
            let chunks = too_long.chunks(size).map(<[u8]>::to_vec).collect();
            assert_eq!(lines(chunks).await, [(1, None), (2, Some(4))], "in chunks of {size}");
        }
        let endless = vec![vec![b'x'; MAX_LINE_BYTES]; 5];
        assert_eq!(lines(endless).await, [(1, None)]);
        assert_eq!(lines(vec![]).await, []);
        assert_eq!(lines(vec![b"\n".to_vec()]).await, []);
    }
}
