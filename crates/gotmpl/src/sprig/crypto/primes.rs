//! Large primes for RSA and DSA keys.

use num_bigint::BigUint;
use num_traits::{One, ToPrimitive};
use rsa::rand_core::RngCore;

use crate::error::Error;
use crate::exec::State;

/// Rounds of the Miller-Rabin test from so many bits on: an error is less likely than 2^-128 for a number that was
/// chosen at random, as Go's `crypto/rsa` has it. A number that somebody else chose would need 64.
const ROUNDS: [(u64, u32); 8] = [
    (3747, 3),
    (1345, 4),
    (476, 5),
    (400, 6),
    (347, 7),
    (308, 8),
    (55, 27),
    (0, 34),
];

/// The steps that one round counts for.
const ROUND_WORK: u64 = 500;

/// Divisors below this are tried before the costly test.
const SMALL: u32 = 2000;

/// A random prime of so many bits whose two highest bits are set, so that the product of two has twice the
/// bits.
pub(super) fn prime(state: &mut State, rng: &mut impl RngCore, bits: u64) -> Result<BigUint, Error> {
    loop {
        let mut start = random(rng, bits);
        start.set_bit(0, true);
        start.set_bit(bits - 1, true);
        start.set_bit(bits - 2, true);
        let rests: Vec<(u32, u32)> = small_primes()
            .map(|small| (small, (&start % small).to_u32().unwrap_or(0)))
            .collect();
        // The next odd numbers, as long as the highest bits stay.
        for offset in (0..SMALL).step_by(2) {
            if rests.iter().any(|(small, rest)| (rest + offset) % small == 0) {
                continue;
            }
            let candidate = &start + offset;
            if candidate.bits() == bits && passes(state, rng, &candidate)? {
                return Ok(candidate);
            }
        }
    }
}

fn small_primes() -> impl Iterator<Item = u32> {
    (3..SMALL)
        .step_by(2)
        .filter(|n| (3..).step_by(2).take_while(|d| d * d <= *n).all(|d| n % d != 0))
}

/// A random number of so many bits at most, a multiple of eight.
pub(super) fn random(rng: &mut impl RngCore, bits: u64) -> BigUint {
    let mut bytes = vec![0; bits.div_ceil(8) as usize];
    rng.fill_bytes(&mut bytes);
    BigUint::from_bytes_be(&bytes)
}

/// Whether a large number that was chosen at random is prime.
pub(super) fn is_prime(state: &mut State, rng: &mut impl RngCore, n: &BigUint) -> Result<bool, Error> {
    let zero = BigUint::default();
    if std::iter::once(2)
        .chain(small_primes())
        .any(|small| (n % small) == zero)
    {
        return Ok(false);
    }
    passes(state, rng, n)
}

/// Whether a number that was chosen at random, and has no small divisor, passes the test of Miller and Rabin.
fn passes(state: &mut State, rng: &mut impl RngCore, n: &BigUint) -> Result<bool, Error> {
    let bits = n.bits();
    let rounds = ROUNDS
        .iter()
        .find(|(from, _)| bits >= *from)
        .map_or(0, |(_, rounds)| *rounds);
    let one = BigUint::one();
    let less = n - &one;
    let twos = less.trailing_zeros().unwrap_or(0);
    let odd = &less >> twos;
    for _ in 0..rounds {
        state.spend_on_keys(ROUND_WORK)?;
        let base = random(rng, n.bits()) % &less + &one;
        let mut x = base.modpow(&odd, n);
        if x == one || x == less {
            continue;
        }
        let mut composite = true;
        for _ in 1..twos {
            x = &x * &x % n;
            if x == less {
                composite = false;
                break;
            }
        }
        if composite {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::sprig::OsEntropy;
    use crate::sprig::crypto::keys::Rng;

    #[test]
    fn primes_are_told_from_composites() {
        let mut state = State::new(Limits::default());
        let mut rng = Rng::new(&mut state, &OsEntropy).unwrap();
        let p = prime(&mut state, &mut rng, 512).unwrap();
        let q = prime(&mut state, &mut rng, 512).unwrap();
        assert_eq!((p.bits(), (&p * &q).bits()), (512, 1024));
        assert!(!is_prime(&mut state, &mut rng, &(&p * &q)).unwrap());
        // 2^521 - 1 is prime, 2^523 - 1 is not.
        let mersenne = |n: u32| (BigUint::one() << n) - BigUint::one();
        assert!(is_prime(&mut state, &mut rng, &mersenne(521)).unwrap());
        assert!(!is_prime(&mut state, &mut rng, &mersenne(523)).unwrap());
    }
}
