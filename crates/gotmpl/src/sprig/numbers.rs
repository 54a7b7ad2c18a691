//! Numbers: conversions, integer arithmetic, rounding, sequences.

use crate::error::Error;
use crate::exec::State;
use crate::fmt::to_str;
use crate::func::{Functions, Int64, Variadic};
use crate::strconv::{NumErrorKind, atoi, parse_int};
use crate::value::{Elem, IntType, List, Str, Value};

use super::cast::{to_float64, to_int64};
use super::text::{reserve, reserve_items};

pub(super) fn register(funcs: &mut Functions) {
    funcs.add("int", |v: Value| to_int64(&v));
    funcs.add("int64", |v: Value| Int64(to_int64(&v)));
    funcs.add("float64", |v: Value| to_float64(&v));
    funcs.add("atoi", |s: Str| match atoi(s.as_bytes()) {
        Ok(n) => n,
        // Go's result where the number does not fit, which sprig keeps though it drops the error.
        Err(e) if e.kind == NumErrorKind::Range && s.as_bytes().starts_with(b"-") => i64::MIN,
        Err(e) if e.kind == NumErrorKind::Range => i64::MAX,
        Err(_) => 0,
    });
    funcs.add("toDecimal", |v: Value| {
        let octal = to_str(&v)?;
        Ok::<_, Error>(Int64(parse_int(octal.as_bytes(), 8, 64).unwrap_or(0)))
    });
    funcs.add("add1", |v: Value| Int64(to_int64(&v).wrapping_add(1)));
    funcs.add("add", |v: Variadic<Value>| {
        Int64(v.iter().map(to_int64).fold(0, i64::wrapping_add))
    });
    funcs.add("sub", |a: Value, b: Value| {
        Int64(to_int64(&a).wrapping_sub(to_int64(&b)))
    });
    funcs.add("mul", |a: Value, v: Variadic<Value>| {
        Int64(v.iter().map(to_int64).fold(to_int64(&a), i64::wrapping_mul))
    });
    funcs.add("div", |a: Value, b: Value| divided(&a, &b, i64::wrapping_div));
    funcs.add("mod", |a: Value, b: Value| divided(&a, &b, i64::wrapping_rem));
    funcs.add("max", |a: Value, v: Variadic<Value>| {
        Int64(v.iter().map(to_int64).fold(to_int64(&a), i64::max))
    });
    funcs.alias("biggest", "max");
    funcs.add("min", |a: Value, v: Variadic<Value>| {
        Int64(v.iter().map(to_int64).fold(to_int64(&a), i64::min))
    });
    funcs.add("maxf", |a: Value, v: Variadic<Value>| {
        v.iter().map(to_float64).fold(to_float64(&a), max)
    });
    funcs.add("minf", |a: Value, v: Variadic<Value>| {
        v.iter().map(to_float64).fold(to_float64(&a), |a, b| -max(-a, -b))
    });
    funcs.add("floor", |v: Value| to_float64(&v).floor());
    funcs.add("ceil", |v: Value| to_float64(&v).ceil());
    funcs.add("round", |v: Value, places: i64, round_on: Variadic<f64>| {
        round(to_float64(&v), places, round_on.first().copied().unwrap_or(0.5))
    });
    funcs.add("until", |state: &mut State, n: i64| {
        ints(state, 0, n, if n < 0 { -1 } else { 1 }).map(int_list)
    });
    funcs.add(
        "untilStep",
        |state: &mut State, start: i64, stop: i64, step: i64| ints(state, start, stop, step).map(int_list),
    );
    funcs.add("seq", seq);
}

fn divided(a: &Value, b: &Value, divide: fn(i64, i64) -> i64) -> Result<Int64, Error> {
    match to_int64(b) {
        0 => Err(Error::new("runtime error: integer divide by zero")),
        b => Ok(Int64(divide(to_int64(a), b))),
    }
}

/// Go's `math.Max`: infinity before NaN before all others, 0 before -0.
fn max(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a == 0.0 && b == 0.0 {
        if a.is_sign_negative() { b } else { a }
    } else {
        a.max(b)
    }
}

fn round(value: f64, places: i64, round_on: f64) -> f64 {
    let scale = power_of_ten(places as f64);
    let scaled = scale * value;
    let fraction = if scaled.is_infinite() {
        f64::NAN
    } else {
        scaled - scaled.trunc()
    };
    let rounded = if fraction >= round_on {
        scaled.ceil()
    } else {
        scaled.floor()
    };
    rounded / scale
}

/// Go's `math.Pow(10, n)` for a whole `n`: by squaring, which may differ in the last bit from the nearest
/// float.
fn power_of_ten(n: f64) -> f64 {
    if n >= 1e18 {
        return f64::INFINITY;
    }
    if n <= -1e18 {
        return 0.0;
    }
    let (mut result, mut exponent) = (1.0_f64, 0_i64);
    // 10 as fraction and exponent of two.
    let (mut factor, mut factor_exponent) = (0.625_f64, 4_i64);
    let mut bits = n.abs() as u64;
    while bits != 0 {
        if !(-4096..=4096).contains(&factor_exponent) {
            exponent += factor_exponent;
            break;
        }
        if bits & 1 == 1 {
            result *= factor;
            exponent += factor_exponent;
        }
        factor *= factor;
        factor_exponent *= 2;
        if factor < 0.5 {
            factor += factor;
            factor_exponent -= 1;
        }
        bits >>= 1;
    }
    if n < 0.0 {
        result = 1.0 / result;
        exponent = -exponent;
    }
    scale_by_two(result, exponent)
}

/// `f` times two to the `exponent`, in steps that do not leave the range of floats too early.
fn scale_by_two(mut f: f64, exponent: i64) -> f64 {
    let mut left = exponent.clamp(-4000, 4000);
    while left != 0 {
        let step = left.clamp(-1000, 1000);
        f *= 2_f64.powi(step as i32);
        left -= step;
    }
    f
}

/// sprig's `untilStep`.
fn ints(state: &mut State, start: i64, stop: i64, step: i64) -> Result<Vec<i64>, Error> {
    let towards = if stop < start { step < 0 } else { step > 0 };
    if !towards {
        return Ok(Vec::new());
    }
    let count = stop.abs_diff(start).div_ceil(step.unsigned_abs());
    reserve_items(state, count)?;
    let mut out = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    let mut next = Some(start);
    while let Some(n) = next.filter(|n| if step < 0 { *n > stop } else { *n < stop }) {
        out.push(n);
        next = n.checked_add(step);
    }
    Ok(out)
}

fn int_list(items: Vec<i64>) -> List {
    List::typed(
        Elem::Int(IntType::Int),
        items.into_iter().map(Value::int).collect(),
    )
}

fn seq(state: &mut State, params: Variadic<i64>) -> Result<String, Error> {
    let items = match params.0.as_slice() {
        [end] => {
            let step = if *end < 1 { -1 } else { 1 };
            ints(state, 1, end.wrapping_add(step), step)?
        }
        [start, end] => {
            let step = if end < start { -1 } else { 1 };
            ints(state, *start, end.wrapping_add(step), step)?
        }
        [start, step, end] => {
            if end < start && *step > 0 {
                return Ok(String::new());
            }
            let past = if end < start { -1 } else { 1 };
            ints(state, *start, end.wrapping_add(past), *step)?
        }
        _ => Vec::new(),
    };
    let mut out = String::new();
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        out.push_str(&item.to_string());
    }
    reserve(state, out.len())?;
    Ok(out)
}
