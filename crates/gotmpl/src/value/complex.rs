//! Go's `complex128`, which constants such as `1+2i` are.

/// A complex number. `==` is Go's: NaN differs from itself, 0 is -0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Complex {
    /// The real part.
    pub real: f64,
    /// The imaginary part.
    pub imaginary: f64,
}
