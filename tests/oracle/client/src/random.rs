//! Random numbers from a seed, the same on every machine.

/// xorshift64*.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number from 0 on, below the limit.
    ///
    /// # Panics
    /// The limit is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next_u64() >> 33).expect("31 bits fit") % limit
    }

    /// True once in so many times.
    ///
    /// # Panics
    /// `n` is 0.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of some.
    ///
    /// # Panics
    /// There are none.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        *items.get(self.below(items.len())).expect("an item at that place")
    }
}

/// A number that the environment may set.
///
/// # Panics
/// The variable is no number.
pub fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: {text}")),
        Err(_) => default,
    }
}

/// The seed of this run: `HELMAPP_DIFF_SEED`, or 1; `random` takes the clock's.
///
/// # Panics
/// The variable is neither a number nor `random`.
pub fn seed() -> u64 {
    if std::env::var("HELMAPP_DIFF_SEED").is_ok_and(|text| text == "random") {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        return now.expect("the clock is past 1970").as_secs();
    }
    setting("HELMAPP_DIFF_SEED", 1)
}
