//! What the reader of chunks makes of a batch.

/// The chunk that strings in a batch stand for, without its string.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunks {
    around: Option<(String, String)>,
}

impl Chunks {
    /// The chunks of a batch to the letter, comma-separated.
    pub fn take(&mut self, batch: &str) -> String {
        let mut chunks = Vec::new();
        for element in elements(batch) {
            match element.bytes().next() {
                Some(b'[') => self.around = Some(learned(element)),
                Some(b'"') => {
                    let (before, after) = self.around.as_ref().expect("the pattern comes first");
                    chunks.push(format!("{before}{element}{after}"));
                }
                _ => chunks.push(element.to_owned()),
            }
        }
        chunks.join(",")
    }
}

/// What stands around the place in which the two chunks of the list differ.
fn learned(list: &str) -> (String, String) {
    let [zero, one] = elements(&list[1..list.len() - 1])[..] else { panic!("two and no more: {list}") };
    let at = zero.bytes().zip(one.bytes()).position(|(a, b)| a != b).expect("a difference");
    assert_eq!((&zero[at..=at], &one[at..=at], &zero[..at]), ("0", "1", &one[..at]));
    assert_eq!(&zero[at + 1..], &one[at + 1..], "all else is the same");
    (zero[..at].to_owned(), zero[at + 1..].to_owned())
}

/// The elements of a valid JSON array of any depth, of which `inside` stands between the brackets.
fn elements(inside: &str) -> Vec<&str> {
    let (mut depth, mut in_string, mut escaped) = (0, false, false);
    let mut cut = |character: char| {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => in_string = !in_string,
            '[' | '{' if !in_string => depth += 1,
            ']' | '}' if !in_string => depth -= 1,
            ',' => return depth == 0 && !in_string,
            _ => {}
        }
        false
    };
    inside.split(&mut cut).filter(|element| !element.is_empty()).collect()
}
