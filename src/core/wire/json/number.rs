//! Numbers, where they must be computed with. Everywhere else they stay text.

use super::writer::write_integer;

/// The digits of `digits[.digits][e±digits]` and the power of ten that they are to be taken times, with the
/// sign. Digits beyond the seventeenth only move the point.
fn parts(text: &[u8]) -> Option<(bool, u64, i32)> {
    let (negative, text) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    let mut value = 0u64;
    let mut scale = 0i32;
    let mut seen = false;
    let mut fraction = false;
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        match byte {
            b'0'..=b'9' => {
                seen = true;
                if value < 100_000_000_000_000_000 {
                    value = value * 10 + u64::from(byte - b'0');
                    scale -= i32::from(fraction);
                } else {
                    scale += i32::from(!fraction);
                }
            }
            b'.' if !fraction => fraction = true,
            b'e' | b'E' => {
                let (sign, digits) = match tail.split_first()? {
                    (b'-', digits) => (-1, digits),
                    (b'+', digits) => (1, digits),
                    _ => (1, tail),
                };
                (!digits.is_empty()).then_some(())?;
                let exponent = digits.iter().try_fold(0i32, |exponent, &digit| {
                    let digit = (digit as char).to_digit(10)? as i32;
                    Some(exponent.saturating_mul(10).saturating_add(digit))
                })?;
                scale = scale.saturating_add(exponent.saturating_mul(sign));
                break;
            }
            _ => return None,
        }
        rest = tail;
    }
    seen.then_some((negative, value, scale))
}

/// Reads a number as a double. The standard library's exact conversion costs 10 KB of code; this one is
/// exact up to 2^53 and within one part in 10^15 beyond.
pub fn decimal(text: &[u8]) -> Option<f64> {
    let (negative, digits, scale) = parts(text)?;
    let mut value = digits as f64;
    // In steps that are powers of ten a double can hold.
    let mut power = if digits == 0 { 0 } else { scale.unsigned_abs().min(700) };
    while power > 0 {
        let step = power.min(300);
        let factor = (0..step).fold(1f64, |factor, _| factor * 10.0);
        value = if scale < 0 { value / factor } else { value * factor };
        power -= step;
    }
    Some(if negative { -value } else { value })
}

/// Reads a number exactly, in units of 10^-12: what is smaller is rounded, what is too large is the
/// largest, and what is negative is none.
pub fn fixed(text: &[u8]) -> Option<u64> {
    let (negative, mut value, scale) = parts(text)?;
    if negative {
        return None;
    }
    let shift = scale.saturating_add(PLACES);
    for left in (0..shift.unsigned_abs().min(40)).rev() {
        value = match (shift < 0, left) {
            (false, _) => value.saturating_mul(10),
            // Only the last digit that goes decides how it is rounded.
            (true, 0) => (value + 5) / 10,
            (true, _) => value / 10,
        };
    }
    Some(value)
}

/// Appends what [`fixed`] reads, as a decimal number.
pub fn write_fixed(out: &mut Vec<u8>, value: u64) {
    write_integer(out, value / UNIT);
    let mut rest = value % UNIT;
    let mut unit = UNIT;
    if rest > 0 {
        out.push(b'.');
    }
    while rest > 0 {
        unit /= 10;
        out.push(b'0' + (rest / unit) as u8);
        rest %= unit;
    }
}

/// Decimal places of a [`fixed`] number, and what one of it is.
const PLACES: i32 = 12;
const UNIT: u64 = 1_000_000_000_000;
