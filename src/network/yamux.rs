//! Yamux over one connection, with bounds of our own: the defaults let a peer fill a gigabyte.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures::future::{self, Ready};
use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo};
use yamux::{Connection, ConnectionError, Mode, Stream};

/// The most streams that are open on one connection.
pub const MAX_STREAMS: usize = 64;
/// How many bytes a peer may send on one connection before they are read: two of the longest answers.
pub const MAX_UNREAD_BYTES: usize = 20 * 1024 * 1024;
/// The most streams of a peer that wait to be taken up.
const MAX_WAITING_STREAMS: usize = 32;

/// Makes a connection carry many streams.
#[derive(Clone, Debug, Default)]
pub struct Upgrade;

impl Upgrade {
    fn config() -> yamux::Config {
        let mut config = yamux::Config::default();
        // In this order: the window must have room for the first credit of every stream.
        config.set_max_num_streams(MAX_STREAMS);
        config.set_max_connection_receive_window(Some(MAX_UNREAD_BYTES));
        config
    }
}

impl UpgradeInfo for Upgrade {
    type Info = &'static str;
    type InfoIter = std::iter::Once<Self::Info>;

    fn protocol_info(&self) -> Self::InfoIter {
        std::iter::once("/yamux/1.0.0")
    }
}

impl<C: AsyncRead + AsyncWrite + Send + Unpin + 'static> InboundConnectionUpgrade<C> for Upgrade {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<Result<Muxer<C>, io::Error>>;

    fn upgrade_inbound(self, connection: C, _: Self::Info) -> Self::Future {
        future::ready(Ok(Muxer::new(connection, Mode::Server)))
    }
}

impl<C: AsyncRead + AsyncWrite + Send + Unpin + 'static> OutboundConnectionUpgrade<C> for Upgrade {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<Result<Muxer<C>, io::Error>>;

    fn upgrade_outbound(self, connection: C, _: Self::Info) -> Self::Future {
        future::ready(Ok(Muxer::new(connection, Mode::Client)))
    }
}

/// A connection that carries streams.
///
/// Yamux goes on only while somebody asks for the next stream of the other side. So those that come
/// while something else is waited for are kept, up to a bound; more are closed.
#[derive(Debug)]
pub struct Muxer<C> {
    connection: Connection<C>,
    waiting: VecDeque<Stream>,
    /// Who waits for one.
    waker: Option<Waker>,
}

impl<C: AsyncRead + AsyncWrite + Send + Unpin + 'static> Muxer<C> {
    fn new(connection: C, mode: Mode) -> Self {
        let connection = Connection::new(connection, Upgrade::config(), mode);
        Self { connection, waiting: VecDeque::new(), waker: None }
    }

    fn next_stream(&mut self, context: &mut Context<'_>) -> Poll<Result<Stream, ConnectionError>> {
        let next = self.connection.poll_next_inbound(context);
        next.map(|stream| stream.unwrap_or(Err(ConnectionError::Closed)))
    }
}

impl<C: AsyncRead + AsyncWrite + Send + Unpin + 'static> StreamMuxer for Muxer<C> {
    type Substream = Stream;
    type Error = ConnectionError;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Stream, ConnectionError>> {
        if let Some(stream) = self.waiting.pop_front() {
            return Poll::Ready(Ok(stream));
        }
        let next = self.next_stream(context);
        if next.is_pending() {
            self.waker = Some(context.waker().clone());
        }
        next
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Stream, ConnectionError>> {
        self.connection.poll_new_outbound(context)
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), ConnectionError>> {
        self.connection.poll_close(context)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, ConnectionError>> {
        let stream = match self.next_stream(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Ready(Ok(stream)) => stream,
        };
        if self.waiting.len() < MAX_WAITING_STREAMS {
            self.waiting.push_back(stream);
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
        // There may be more.
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
