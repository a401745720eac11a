//! Numbers, where they must be computed with. Everywhere else they stay text.

/// Reads `digits[.digits][e±digits]`. The standard library's exact conversion costs 10 KB of code;
/// this one is exact up to 2^53 and within one part in 10^15 beyond.
pub fn decimal(text: &[u8]) -> Option<f64> {
    let (negative, text) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    let mut value = 0f64;
    let mut scale = 0i32;
    let mut seen = false;
    let mut fraction = false;
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        match byte {
            b'0'..=b'9' => {
                seen = true;
                // Digits beyond a double's precision only move the point.
                if value < 1e17 {
                    value = value * 10.0 + f64::from(byte - b'0');
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
    if !seen {
        return None;
    }
    // In steps that are powers of ten a double can hold.
    let mut power = if value == 0.0 { 0 } else { scale.unsigned_abs().min(700) };
    while power > 0 {
        let step = power.min(300);
        let factor = (0..step).fold(1f64, |factor, _| factor * 10.0);
        value = if scale < 0 { value / factor } else { value * factor };
        power -= step;
    }
    Some(if negative { -value } else { value })
}
