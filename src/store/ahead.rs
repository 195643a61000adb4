//! Reading ahead: the next items are made on a thread of their own while the last are used.

use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use super::error::StoreError;

/// How many items wait, at most: blocks of some MiB at worst.
const ITEMS_AHEAD: usize = 8;

/// An iterator whose items are made on another thread.
pub struct Ahead<T> {
    items: Option<Receiver<T>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Ahead<T> {
    /// Makes the items of `iterator` ahead, in their order.
    ///
    /// # Errors
    /// [`StoreError::Io`] where there can be no thread.
    pub fn new(iterator: impl Iterator<Item = T> + Send + 'static) -> Result<Self, StoreError> {
        let (sender, items) = sync_channel(ITEMS_AHEAD);
        let mut iterator = iterator;
        // Ends when nobody wants more.
        let work = move || while iterator.next().is_some_and(|item| sender.send(item).is_ok()) {};
        let thread = std::thread::Builder::new()
            .name("read-ahead".to_owned())
            .spawn(work)
            .map_err(|source| StoreError::Io {
                action: "start a thread for",
                path: "store".into(),
                source,
            })?;
        Ok(Self { items: Some(items), thread: Some(thread) })
    }
}

impl<T> Iterator for Ahead<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let item = self.items.as_ref().and_then(|items| items.recv().ok());
        // The end must be the iterator's own, and no panic's.
        if item.is_none()
            && let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
        {
            resume_unwind(panic);
        }
        item
    }
}

impl<T> Drop for Ahead<T> {
    fn drop(&mut self) {
        // What it reads from may be closed next, so it must be over.
        drop(self.items.take());
        if let Some(thread) = self.thread.take() {
            // A panic there was said there, and nobody wants the items.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_all_items_in_order() {
        assert!(Ahead::new(0..1000).unwrap().eq(0..1000));
    }

    #[test]
    fn ends_when_nobody_wants_more() {
        let mut ahead = Ahead::new(0..).unwrap();
        assert_eq!((ahead.next(), ahead.next()), (Some(0), Some(1)));
    }

    #[test]
    #[should_panic(expected = "at 3")]
    fn a_panic_is_no_end() {
        let items = (0..).map(|item| if item == 3 { panic!("at {item}") } else { item });
        Ahead::new(items).unwrap().for_each(drop);
    }
}
