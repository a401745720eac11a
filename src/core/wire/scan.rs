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
    let (words, rest) = bytes.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let marks = marks(u64::from_le_bytes(*word));
        if marks != 0 {
            return number * 8 + (marks.trailing_zeros() / 8) as usize;
        }
    }
    words.len() * 8 + rest.iter().position(|&byte| is_marked(byte)).unwrap_or(rest.len())
}

/// What follows `start` in `bytes`; `None` when they do not begin with it. (The module's own comparison of
/// slices goes byte by byte.)
#[inline]
pub fn strip_same<'a>(bytes: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    let (front, rest) = bytes.split_at_checked(start.len())?;
    let ((ours, our_end), (theirs, their_end)) = (front.as_chunks::<8>(), start.as_chunks::<8>());
    for (ours, theirs) in ours.iter().zip(theirs) {
        if u64::from_le_bytes(*ours) != u64::from_le_bytes(*theirs) {
            return None;
        }
    }
    (our_end == their_end).then_some(rest)
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
