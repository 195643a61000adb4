//! Questions and answers on the wire: one stream each, of bounded length.

use std::io;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::StreamProtocol;
use libp2p::request_response::Codec;

use super::wire::{Answer, MAX_ANSWER_WIRE_BYTES, MAX_QUESTION_BYTES, Question};

/// Reads and writes questions and answers. The stream's end is the message's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exchange;

/// What came as a question; nothing where it can't be read or nobody may ask it. Libp2p tells of no
/// stream that failed before there was a question, so this is how it is heard of.
pub type Asked = Option<Question>;

impl Codec for Exchange {
    type Protocol = StreamProtocol;
    type Request = Asked;
    type Response = Answer;

    async fn read_request<T>(&mut self, _: &StreamProtocol, stream: &mut T) -> io::Result<Asked>
    where
        T: AsyncRead + Unpin + Send,
    {
        match read_whole(stream, MAX_QUESTION_BYTES).await {
            Ok(bytes) => Ok(Question::decode(&bytes).ok()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, stream: &mut T) -> io::Result<Answer>
    where
        T: AsyncRead + Unpin + Send,
    {
        let bytes = read_whole(stream, MAX_ANSWER_WIRE_BYTES).await?;
        Answer::decode(&bytes).map_err(invalid)
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
        question: Asked,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let question = question.expect("only what can be written is asked");
        stream.write_all(&question.encode()).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        stream: &mut T,
        answer: Answer,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        stream.write_all(&answer.encode()).await
    }
}

/// Reads to the end of the stream, and never more than one byte beyond `limit_bytes`.
async fn read_whole<T>(stream: &mut T, limit_bytes: usize) -> io::Result<Vec<u8>>
where
    T: AsyncRead + Unpin + Send,
{
    let mut bytes = Vec::new();
    stream.take(limit_bytes as u64 + 1).read_to_end(&mut bytes).await?;
    if bytes.len() > limit_bytes {
        return Err(invalid(format!("a message of more than {limit_bytes} bytes")));
    }
    Ok(bytes)
}

/// Only for what a peer sent and no honest one sends.
fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
