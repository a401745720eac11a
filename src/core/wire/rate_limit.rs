//! How many requests a service will take, and when it will take them again.

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

/// The longest window of a limit. What is beyond was meant otherwise, in a unit that nobody knows.
const LONGEST: f64 = 86_400_000.0;

/// What a service says of its own limit, as far as it can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quota {
    /// Requests granted in a window.
    pub limit: Option<f64>,
    /// Requests that remain of them.
    pub remaining: Option<f64>,
    /// How long until the window begins anew, in milliseconds.
    pub reset: Option<f64>,
}

/// Reads the limits from an answer's headers; `now` is in milliseconds since 1970.
///
/// Groq, OpenAI and Cerebras name requests and tokens apart, Together and others only requests. Hugging
/// Face's `RateLimit` stands on every answer and counts its Hub as well, so it means something only when
/// nothing remains.
pub fn quota(header: &dyn Fn(&str) -> Option<String>, now: f64) -> Quota {
    let named = |kind: &str, suffix: &str| {
        let mut name = String::from("x-ratelimit-");
        name.push_str(kind);
        name.push_str(suffix);
        header(&name)
    };
    let number = |text: Option<String>| text.and_then(|text| decimal(text.trim_ascii().as_bytes()));
    let mut found = Quota::default();
    for suffix in &["-requests", "-requests-day", "", "-tokens", "-tokens-minute"] {
        let Some(remaining) = number(named("remaining", suffix)) else { continue };
        let reset = named("reset", suffix).and_then(|text| duration(text.trim_ascii().as_bytes(), now));
        let reset = reset.filter(|reset| *reset <= LONGEST);
        // Of tokens nobody knows how many a request will take: only none at all says something.
        let counts = remaining < 1.0 || !suffix.starts_with("-tokens");
        if counts && found.remaining.is_none_or(|least| remaining < least) {
            found = Quota { limit: number(named("limit", suffix)), remaining: Some(remaining), reset };
        }
    }
    let of_hub = header("ratelimit").unwrap_or_default();
    let parameter = |name: &[u8]| {
        of_hub
            .as_bytes()
            .split(|&byte| byte == b';')
            .find_map(|part| part.trim_ascii().strip_prefix(name).and_then(decimal))
    };
    if parameter(b"r=") == Some(0.0) {
        let reset = parameter(b"t=").map(|seconds| seconds * 1000.0);
        let reset = reset.filter(|reset| (0.0..=LONGEST).contains(reset));
        found = Quota { limit: None, remaining: Some(0.0), reset };
    }
    found
}

/// Reads `2m59.56s`, `6ms`, a number of seconds, or a moment as seconds or milliseconds since 1970.
fn duration(text: &[u8], now: f64) -> Option<f64> {
    if let Some(number) = decimal(text) {
        let wait = if number > 1e12 {
            number - now
        } else if number > 1e9 {
            number * 1000.0 - now
        } else {
            number * 1000.0
        };
        return Some(wait.max(0.0));
    }
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
        let (number, tail) = rest.split_at(digits);
        let unit = tail.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let (unit, tail) = tail.split_at(unit);
        let factor = match unit {
            b"d" => 86_400_000.0,
            b"h" => 3_600_000.0,
            b"m" => 60_000.0,
            b"s" => 1_000.0,
            b"ms" => 1.0,
            _ => return None,
        };
        total += decimal(number)? * factor;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
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
