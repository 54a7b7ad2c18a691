//! Freeing of nested containers without deep recursion: a template can nest lists as deep as its
//! fuel allows, and the ordinary drop of such a value would overflow the stack.

use std::cell::{Cell, RefCell};

use crate::value::Value;

const DIRECT_DEPTH: u32 = 64;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static DEFERRED: RefCell<Vec<Vec<Value>>> = const { RefCell::new(Vec::new()) };
}

/// Drops a container's items; those nested too deep wait until the outermost container is done.
pub(super) fn release(items: Vec<Value>) {
    if !items.iter().any(Value::is_container) {
        return;
    }
    let depth = DEPTH.try_with(Cell::get).unwrap_or(0);
    if depth >= DIRECT_DEPTH {
        let mut items = Some(items);
        // Without thread-local storage (a thread that ends) the items drop here.
        let _ = DEFERRED.try_with(|d| {
            if let (Ok(mut queue), Some(items)) = (d.try_borrow_mut(), items.take()) {
                queue.push(items);
            }
        });
        return;
    }
    let _ = DEPTH.try_with(|d| d.set(depth + 1));
    drop(items);
    if depth == 0 {
        while let Some(next) = DEFERRED
            .try_with(|d| d.try_borrow_mut().ok().and_then(|mut q| q.pop()))
            .ok()
            .flatten()
        {
            drop(next);
        }
    }
    let _ = DEPTH.try_with(|d| d.set(depth));
}
