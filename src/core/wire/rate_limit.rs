//! When a service says it will take requests again.

use super::json::decimal;

/// The moment that `Retry-After` (or OpenAI's `retry-after-ms`) names, in milliseconds since 1970.
///
/// `Retry-After` is a number of seconds, whole or not, or an HTTP date (RFC 9110 §10.2.3).
pub fn retry_at(retry_after: &str, retry_after_ms: &str, now: f64) -> Option<f64> {
    let wait = |text: &str| decimal(text.trim_ascii().as_bytes()).filter(|wait| *wait >= 0.0);
    if let Some(milliseconds) = wait(retry_after_ms) {
        return Some(now + milliseconds);
    }
    if let Some(seconds) = wait(retry_after) {
        return Some(now + seconds * 1000.0);
    }
    http_date(retry_after.trim_ascii().as_bytes())
}

/// Reads `Sun, 06 Nov 1994 08:49:37 GMT`, the one form that senders may write.
fn http_date(text: &[u8]) -> Option<f64> {
    const MONTHS: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    let number = |from: usize, to: usize| {
        text.get(from..to)?
            .iter()
            .try_fold(0i64, |value, &digit| Some(value * 10 + i64::from((digit as char).to_digit(10)?)))
    };
    let name = text.get(8..11)?;
    let month = MONTHS.chunks_exact(3).position(|month| month == name)? as i64 + 1;
    let (day, year) = (number(5, 7)?, number(12, 16)?);
    if text.len() != 29 || !text.ends_with(b" GMT") || !(1..=31).contains(&day) {
        return None;
    }
    // Days since 1970 of a date in the Gregorian calendar, counting years from March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 719_469;
    let seconds = number(17, 19)? * 3600 + number(20, 22)? * 60 + number(23, 25)?;
    Some((days * 86_400 + seconds) as f64 * 1000.0)
}
