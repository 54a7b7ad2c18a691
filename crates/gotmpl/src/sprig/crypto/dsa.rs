//! Generation of DSA keys (2048 and 256 bits), the way Go's `crypto/dsa` does it.

use num_bigint::BigUint;
use num_traits::One;
use rsa::rand_core::RngCore;

use crate::error::Error;
use crate::exec::State;

const P_BITS: u64 = 2048;
const Q_BITS: u64 = 256;

/// Rounds of the Miller-Rabin test: an error is less likely than 2^-128.
const ROUNDS: u32 = 64;

/// The steps that one round counts for.
const ROUND_STEPS: u64 = 500;

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
            state.spend(1)?;
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

fn random(rng: &mut impl RngCore, bits: u64) -> BigUint {
    let mut bytes = vec![0; bits.div_ceil(8) as usize];
    rng.fill_bytes(&mut bytes);
    BigUint::from_bytes_be(&bytes)
}

fn is_prime(state: &mut State, rng: &mut impl RngCore, n: &BigUint) -> Result<bool, Error> {
    let zero = BigUint::default();
    if (2_u32..2000).any(|small| (n % small) == zero) {
        return Ok(false);
    }
    let one = BigUint::one();
    let less = n - &one;
    let twos = less.trailing_zeros().unwrap_or(0);
    let odd = &less >> twos;
    for _ in 0..ROUNDS {
        state.spend(ROUND_STEPS)?;
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
