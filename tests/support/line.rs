//! A line between two nodes that can be cut.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a thread waits for bytes before it looks whether the line is cut.
const POLL: Duration = Duration::from_millis(20);

/// How a line behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Bytes pass.
    Whole,
    /// Connections end, and new ones are refused.
    Cut,
    /// Nothing passes, and nobody is told.
    Silent,
}

/// A port of its own that leads to another.
pub struct Line {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    ends: AtomicBool,
}

impl Shared {
    fn state(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// A line to `target`.
    pub fn new(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let state = Mutex::new(State::Whole);
        let shared = Arc::new(Shared { state, ends: AtomicBool::new(false) });
        let own = shared.clone();
        std::thread::spawn(move || {
            for near in listener.incoming() {
                if own.ends.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(near) = near else { continue };
                if own.state() == State::Cut {
                    continue;
                }
                let Ok(far) = TcpStream::connect(target) else { continue };
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (from, to) = (from.try_clone(), to.try_clone());
                    let (from, to, own) =
                        (from.expect("a socket"), to.expect("a socket"), own.clone());
                    std::thread::spawn(move || pass(&from, &to, &own));
                }
            }
        });
        Self { address, shared }
    }

    /// Makes it behave so from now on.
    pub fn set(&self, state: State) {
        *self.shared.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.set(State::Cut);
        self.shared.ends.store(true, Ordering::Relaxed);
        // Wakes whoever waits for the next.
        drop(TcpStream::connect(self.address));
    }
}

/// Passes bytes on until one end closes, or the line is cut.
fn pass(mut from: &TcpStream, mut to: &TcpStream, shared: &Shared) {
    from.set_read_timeout(Some(POLL)).expect("a duration");
    let mut bytes = [0; 16 * 1024];
    loop {
        let read = from.read(&mut bytes);
        if shared.state() == State::Cut {
            break;
        }
        match read {
            Ok(0) => break,
            // What comes while it is silent is lost for good, and the connection with it.
            Ok(count) if shared.state() == State::Whole => {
                if to.write_all(bytes.get(..count).unwrap_or_default()).is_err() {
                    break;
                }
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    // One of them may be gone already.
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
