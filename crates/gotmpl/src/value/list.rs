//! Go's slice: immutable, shared, with its element type.

use std::ops::Deref;
use std::rc::Rc;

use crate::meter::Charge;
use crate::value::Value;
use crate::value::release::release;
use crate::value::types::Elem;

/// A slice value. Cloning shares it; it never changes after it is made.
#[derive(Clone, Debug)]
pub struct List(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    elem: Elem,
    nil: bool,
    items: Vec<Value>,
    _charge: Charge,
}

/// What a container costs beyond its entries.
pub(super) const OVERHEAD: usize = 64;

impl List {
    /// A `[]interface {}`.
    pub fn new(items: Vec<Value>) -> List {
        List::typed(Elem::Any, items)
    }

    /// A slice of another element type. The caller vouches that each item has that type.
    pub fn typed(elem: Elem, items: Vec<Value>) -> List {
        List::make(elem, false, items)
    }

    /// A `[]string`.
    pub fn strings<S: Into<crate::value::Str>>(items: impl IntoIterator<Item = S>) -> List {
        List::typed(
            Elem::String,
            items.into_iter().map(|s| Value::String(s.into())).collect(),
        )
    }

    /// A nil slice: empty, `null` as JSON.
    pub fn nil(elem: Elem) -> List {
        List::make(elem, true, Vec::new())
    }

    fn make(elem: Elem, nil: bool, items: Vec<Value>) -> List {
        let charge = Charge::new(items.capacity() * size_of::<Value>() + OVERHEAD);
        List(Rc::new(Inner {
            elem,
            nil,
            items,
            _charge: charge,
        }))
    }

    /// The static type of the elements.
    pub fn elem(&self) -> Elem {
        self.0.elem
    }

    /// Whether this is a nil slice.
    pub fn is_nil(&self) -> bool {
        self.0.nil
    }

    /// Go's name of the type, such as `[]interface {}`.
    pub fn type_name(&self) -> String {
        format!("[]{}", self.0.elem.name())
    }

    /// Whether both are one and the same slice.
    pub fn same(&self, other: &List) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Deref for List {
    type Target = [Value];
    fn deref(&self) -> &[Value] {
        &self.0.items
    }
}

impl From<Vec<Value>> for List {
    fn from(items: Vec<Value>) -> Self {
        List::new(items)
    }
}

impl FromIterator<Value> for List {
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Self {
        List::new(items.into_iter().collect())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        release(std::mem::take(&mut self.items));
    }
}
