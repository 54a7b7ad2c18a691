//! Decimal arithmetic for `addf` and its kin: github.com/shopspring/decimal v1.4.0, from float to float.

use num_bigint::{BigInt, Sign};
use num_traits::{Signed, Zero};

use crate::error::Error;
use crate::exec::State;
use crate::func::{Functions, Variadic};
use crate::strconv::format_float;
use crate::value::Value;

use super::cast::to_float64;

/// The places behind the point that a quotient is rounded to.
const DIVISION_PRECISION: i64 = 16;

/// The most factors or divisors of one call; each may add 17 digits.
const MAX_OPERANDS: usize = 1000;

/// The steps that one operation counts for: floats are read and written as decimal digits.
const OPERATION_STEPS: u64 = 100;

type Operation = fn(&Decimal, &Decimal) -> Result<Decimal, Error>;

pub(super) fn register(funcs: &mut Functions) {
    funcs.add("add1f", |state: &mut State, v: Value| {
        fold(state, &v, &[Value::int(1)], add)
    });
    funcs.add("addf", |state: &mut State, v: Variadic<Value>| {
        fold(state, &Value::float(0.0), &v, add)
    });
    funcs.add("subf", |state: &mut State, a: Value, v: Variadic<Value>| {
        fold(state, &a, &v, subtract)
    });
    funcs.add("mulf", |state: &mut State, a: Value, v: Variadic<Value>| {
        fold(state, &a, &v, multiply)
    });
    funcs.add("divf", |state: &mut State, a: Value, v: Variadic<Value>| {
        fold(state, &a, &v, divide)
    });
}

fn fold(state: &mut State, first: &Value, rest: &[Value], operation: Operation) -> Result<f64, Error> {
    if rest.len() > MAX_OPERANDS {
        return Err(Error::new(format!("more than {MAX_OPERANDS} numbers")));
    }
    let mut result = Decimal::from_float(to_float64(first))?;
    for value in rest {
        state.spend(result.value.bits() / 4 + OPERATION_STEPS)?;
        result = operation(&result, &Decimal::from_float(to_float64(value))?)?;
    }
    Ok(result.to_float())
}

/// `value` times ten to the `exponent`.
struct Decimal {
    value: BigInt,
    exponent: i64,
}

impl Decimal {
    /// The shortest decimal that reads back as the same float.
    fn from_float(f: f64) -> Result<Self, Error> {
        let text = format_float(f, b'e', -1, 64);
        let parsed = text.split_once('e').and_then(|(digits, exponent)| {
            let fraction = digits
                .split_once('.')
                .map_or(0, |(_, fraction)| fraction.len() as i64);
            let value = digits.replace('.', "").parse().ok()?;
            Some(Self {
                value,
                exponent: exponent.parse::<i64>().ok()? - fraction,
            })
        });
        parsed.ok_or_else(|| Error::new(format!("Cannot create a Decimal from {text}")))
    }

    fn to_float(&self) -> f64 {
        // Reading is exact to the nearest float, infinite where it does not fit; a decimal has no -0.
        format!("{}e{}", self.value, self.exponent)
            .parse()
            .unwrap_or(f64::NAN)
    }

    /// The value in units of ten to the `exponent`, which is not above its own.
    fn scaled_to(&self, exponent: i64) -> BigInt {
        &self.value * power_of_ten(self.exponent - exponent)
    }
}

fn power_of_ten(n: i64) -> BigInt {
    BigInt::from(10).pow(u32::try_from(n).unwrap_or(0))
}

fn add(a: &Decimal, b: &Decimal) -> Result<Decimal, Error> {
    let exponent = a.exponent.min(b.exponent);
    Ok(Decimal {
        value: a.scaled_to(exponent) + b.scaled_to(exponent),
        exponent,
    })
}

fn subtract(a: &Decimal, b: &Decimal) -> Result<Decimal, Error> {
    add(
        a,
        &Decimal {
            value: -&b.value,
            exponent: b.exponent,
        },
    )
}

fn multiply(a: &Decimal, b: &Decimal) -> Result<Decimal, Error> {
    Ok(Decimal {
        value: &a.value * &b.value,
        exponent: a.exponent + b.exponent,
    })
}

fn divide(a: &Decimal, b: &Decimal) -> Result<Decimal, Error> {
    if b.value.is_zero() {
        return Err(Error::new("decimal division by 0"));
    }
    let shift = a.exponent - b.exponent + DIVISION_PRECISION;
    let (dividend, divisor) = if shift < 0 {
        (a.value.clone(), &b.value * power_of_ten(-shift))
    } else {
        (&a.value * power_of_ten(shift), b.value.clone())
    };
    let mut quotient = &dividend / &divisor;
    let remainder = &dividend % &divisor;
    // Halves are rounded away from zero.
    if remainder.abs() * 2 >= divisor.abs() {
        let negative = (a.value.sign() == Sign::Minus) != (b.value.sign() == Sign::Minus);
        quotient += if negative { -1 } else { 1 };
    }
    Ok(Decimal {
        value: quotient,
        exponent: -DIVISION_PRECISION,
    })
}
