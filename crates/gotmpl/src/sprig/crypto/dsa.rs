//! Generation of DSA keys (2048 and 256 bits), the way Go's `crypto/dsa` does it.

use num_bigint::BigUint;
use num_traits::One;
use rsa::rand_core::RngCore;

use crate::error::Error;
use crate::exec::State;

use super::primes::{is_prime, random};

const P_BITS: u64 = 2048;
const Q_BITS: u64 = 256;

/// p, q, g, y and x.
pub(super) fn generate(state: &mut State, rng: &mut impl RngCore) -> Result<[BigUint; 5], Error> {
    let one = BigUint::one();
    loop {
        let mut q = random(rng, Q_BITS);
        q.set_bit(0, true);
        q.set_bit(Q_BITS - 1, true);
        if !is_prime(state, rng, &q)? {
            continue;
        }
        for _ in 0..4 * P_BITS {
            state.spend_on_keys(1)?;
            let mut p = random(rng, P_BITS);
            p.set_bit(0, true);
            p.set_bit(P_BITS - 1, true);
            let over = &p % &q;
            p = p + &one - over;
            if p.bits() < P_BITS || !is_prime(state, rng, &p)? {
                continue;
            }
            let exponent = (&p - &one) / &q;
            let mut h = BigUint::from(2_u8);
            let g = loop {
                let g = h.modpow(&exponent, &p);
                if g != one {
                    break g;
                }
                h += &one;
            };
            let x = loop {
                let x = random(rng, Q_BITS);
                if x >= one && x < q {
                    break x;
                }
            };
            let y = g.modpow(&x, &p);
            return Ok([p, q, g, y, x]);
        }
    }
}
