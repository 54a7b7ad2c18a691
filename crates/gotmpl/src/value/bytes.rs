//! Go's `[]uint8`: immutable bytes, shared.

use std::ops::Deref;
use std::rc::Rc;

use crate::meter::Charge;
use crate::value::list::OVERHEAD;

/// A byte slice. Cloning shares it; it never changes after it is made.
#[derive(Clone, Debug)]
pub struct Bytes(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    data: Box<[u8]>,
    _charge: Charge,
}

impl Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0.data
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(data: Vec<u8>) -> Self {
        let charge = Charge::new(data.len() + OVERHEAD);
        Bytes(Rc::new(Inner {
            data: data.into(),
            _charge: charge,
        }))
    }
}

impl From<&[u8]> for Bytes {
    fn from(data: &[u8]) -> Self {
        Bytes::from(data.to_vec())
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl Eq for Bytes {}
