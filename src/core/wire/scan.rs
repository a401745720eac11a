//! Looking for the few bytes that matter, eight at a time.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Marks the bytes of `word` that are zero. A borrow can make a false mark only above a true one, so the
/// lowest mark is exact.
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

/// Marks the bytes of `word` that are `byte`.
fn bytes_equal(word: u64, byte: u8) -> u64 {
    zero_bytes(word ^ (ONES * u64::from(byte)))
}

/// How many bytes come before the first that is marked by `marks` (a whole word) and `is_marked` (one
/// byte), which must agree.
#[inline]
fn run(bytes: &[u8], marks: impl Fn(u64) -> u64, is_marked: impl Fn(u8) -> bool) -> usize {
    let mut run = 0;
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let marks = marks(u64::from_le_bytes(<[u8; 8]>::try_from(word).unwrap_or_default()));
        if marks != 0 {
            return run + (marks.trailing_zeros() / 8) as usize;
        }
        run += 8;
    }
    let rest = words.remainder();
    run + rest.iter().position(|&byte| is_marked(byte)).unwrap_or(rest.len())
}

/// How many bytes at the front of `bytes` are ordinary characters of a JSON string: neither a quote, nor a
/// backslash, nor a control character.
#[inline]
pub fn plain_run(bytes: &[u8]) -> usize {
    run(
        bytes,
        |word| {
            let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
            control | bytes_equal(word, b'"') | bytes_equal(word, b'\\')
        },
        |byte| byte == b'"' || byte == b'\\' || byte < 0x20,
    )
}

/// How many bytes come before the first LF or CR.
#[inline]
pub fn line_run(bytes: &[u8]) -> usize {
    run(
        bytes,
        |word| bytes_equal(word, b'\n') | bytes_equal(word, b'\r'),
        |byte| byte == b'\n' || byte == b'\r',
    )
}
