//! What JSON text that is still being written means, worked out by plain recursive descent: the oracle of
//! the incremental reader. serde_json reads what it completes.

use hf_inference_wasm::core::wire::json::MAX_DEPTH;
use serde_json::Value;

use super::growing::scalar;

/// JSON text and what completes it.
#[derive(Debug)]
pub struct Completion {
    /// The text as if it ended where it ends, or where it stops being JSON: open strings and containers
    /// closed, everything else that is unfinished left out. Empty when nothing is left.
    pub text: String,
    /// Bytes that make the original text a whole document; `None` when nothing can.
    pub suffix: Option<String>,
}

/// Why reading stopped.
enum Stop {
    /// At the end of the text; these bytes would end what is being read.
    End(String),
    /// At a byte that cannot be.
    Impossible,
}

struct Completing<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
    /// The text has ended: a number at its end is one.
    ended: bool,
    out: Vec<u8>,
}

impl Completion {
    /// Completes `text`. `fenced` is whether a Markdown code fence may stand around the value, `ended`
    /// whether nothing more will come, so that a number at the end is finished.
    pub fn of(text: &str, fenced: bool, ended: bool) -> Completion {
        let mut completing = Completing { text: text.as_bytes(), at: 0, depth: 0, ended, out: Vec::new() };
        let suffix = match completing.document(fenced) {
            Ok(()) => Some(String::new()),
            Err(Stop::End(suffix)) => Some(suffix),
            Err(Stop::Impossible) => None,
        };
        Completion { text: String::from_utf8(completing.out).expect("UTF-8"), suffix }
    }

    /// Whether the text is a whole document as it is.
    pub fn is_whole(&self) -> bool {
        self.suffix.as_deref() == Some("")
    }

    /// What serde_json makes of the completed text; `None` when there is nothing.
    pub fn value(&self) -> Option<Value> {
        let read = |text| serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        (!self.text.is_empty()).then(|| read(&self.text))
    }

    /// Whether serde_json can read the completed text: it stops at a nesting of 128.
    pub fn is_within_the_oracles_reach(&self) -> bool {
        let mut deepest = 0usize;
        let mut depth = 0usize;
        for byte in self.text.bytes() {
            match byte {
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            deepest = deepest.max(depth);
        }
        deepest < 128
    }
}

/// The value that `prefix`, which may go on, has so far.
pub fn completed(prefix: &str) -> Option<Value> {
    Completion::of(prefix, false, false).value()
}

impl Completing<'_> {
    fn document(&mut self, may_be_fenced: bool) -> Result<(), Stop> {
        self.blank();
        let fenced = may_be_fenced && self.text.get(self.at) == Some(&b'`');
        if fenced {
            let line = self.text[self.at..].iter().position(|&byte| byte == b'\n');
            self.at = match line {
                Some(length) => self.at + length + 1,
                None => return Err(Stop::End("\n0".to_owned())),
            };
        }
        self.value()?;
        self.blank();
        while fenced && self.text.get(self.at) == Some(&b'`') {
            self.at += 1;
            self.blank();
        }
        if self.at < self.text.len() { Err(Stop::Impossible) } else { Ok(()) }
    }

    fn blank(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// The next byte, or the end with what would end it.
    fn peek(&self, suffix: &str) -> Result<u8, Stop> {
        self.text.get(self.at).copied().ok_or_else(|| Stop::End(suffix.to_owned()))
    }

    fn value(&mut self) -> Result<(), Stop> {
        self.blank();
        match self.peek("0")? {
            b'"' => {
                let (characters, stop) = self.string();
                self.out.extend_from_slice(Value::String(characters).to_string().as_bytes());
                stop
            }
            b'[' => self.container(b']', Completing::elements),
            b'{' => self.container(b'}', Completing::members),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => self.number(),
        }
    }

    fn container(&mut self, close: u8, inside: fn(&mut Self) -> Result<(), Stop>) -> Result<(), Stop> {
        if self.depth == MAX_DEPTH {
            return Err(Stop::Impossible);
        }
        self.depth += 1;
        self.out.push(self.text[self.at]);
        self.at += 1;
        let stop = inside(self);
        self.out.push(close);
        self.depth -= 1;
        match stop {
            Err(Stop::End(suffix)) => Err(Stop::End(suffix + char::from(close).encode_utf8(&mut [0; 4]))),
            other => other,
        }
    }

    /// A value behind `before`, which is left out with it when nothing of the value is there.
    fn value_behind(&mut self, before: &str) -> Result<(), Stop> {
        let from = self.out.len();
        self.out.extend_from_slice(before.as_bytes());
        let start = self.out.len();
        let stop = self.value();
        if self.out.len() == start {
            self.out.truncate(from);
        }
        stop
    }

    fn elements(&mut self) -> Result<(), Stop> {
        self.blank();
        if self.peek("")? == b']' {
            self.at += 1;
            return Ok(());
        }
        let mut comma = "";
        loop {
            self.value_behind(comma)?;
            if !self.goes_on(b']')? {
                return Ok(());
            }
            comma = ",";
        }
    }

    fn members(&mut self) -> Result<(), Stop> {
        self.blank();
        if self.peek("")? == b'}' {
            self.at += 1;
            return Ok(());
        }
        let mut comma = "";
        loop {
            self.blank();
            if self.peek("\"\":0")? != b'"' {
                return Err(Stop::Impossible);
            }
            let key = match self.string() {
                (key, Ok(())) => key,
                (_, Err(Stop::End(suffix))) => return Err(Stop::End(suffix + ":0")),
                (_, Err(stop)) => return Err(stop),
            };
            self.blank();
            if self.peek(":0")? != b':' {
                return Err(Stop::Impossible);
            }
            self.at += 1;
            self.value_behind(&format!("{comma}{}:", Value::String(key)))?;
            if !self.goes_on(b'}')? {
                return Ok(());
            }
            comma = ",";
        }
    }

    /// Whether a comma follows, and not the end of the container.
    fn goes_on(&mut self, close: u8) -> Result<bool, Stop> {
        self.blank();
        let byte = self.peek("")?;
        if byte != b',' && byte != close {
            return Err(Stop::Impossible);
        }
        self.at += 1;
        Ok(byte == b',')
    }

    /// The characters of a string, as far as they are there, and how it stopped.
    fn string(&mut self) -> (String, Result<(), Stop>) {
        let mut units = Vec::new();
        let stop = self.units(&mut units);
        // The first half of a pair at an end that is none: the second may still come.
        if stop.is_err() && units.last().is_some_and(|unit| (0xd800..0xdc00).contains(unit)) {
            units.pop();
        }
        (String::from_utf16_lossy(&units), stop)
    }

    fn units(&mut self, units: &mut Vec<u16>) -> Result<(), Stop> {
        self.at += 1;
        loop {
            match self.peek("\"")? {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => {
                    self.at += 1;
                    units.push(self.escape()?);
                }
                0..=0x1f => return Err(Stop::Impossible),
                _ => {
                    let rest = std::str::from_utf8(&self.text[self.at..]).expect("UTF-8");
                    let character = rest.chars().next().expect("a character");
                    units.extend_from_slice(character.encode_utf16(&mut [0; 2]));
                    self.at += character.len_utf8();
                }
            }
        }
    }

    fn escape(&mut self) -> Result<u16, Stop> {
        let byte = self.peek("n\"")?;
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => u16::from(byte),
            b'b' => 8,
            b'f' => 12,
            b'n' => 10,
            b'r' => 13,
            b't' => 9,
            b'u' => {
                let mut unit = 0;
                for missing in (1..=4).rev() {
                    let digit = char::from(self.peek(&("0".repeat(missing) + "\""))?).to_digit(16);
                    unit = unit << 4 | digit.ok_or(Stop::Impossible)? as u16;
                    self.at += 1;
                }
                unit
            }
            _ => return Err(Stop::Impossible),
        })
    }

    fn word(&mut self, word: &str) -> Result<(), Stop> {
        for (position, letter) in word.bytes().enumerate() {
            if self.peek(&word[position..])? != letter {
                return Err(Stop::Impossible);
            }
            self.at += 1;
        }
        self.out.extend_from_slice(word.as_bytes());
        Ok(())
    }

    fn number(&mut self) -> Result<(), Stop> {
        let start = self.at;
        let stop = self.digits();
        let ends = match &stop {
            Ok(()) => true,
            // Without a digit missing it is a number, unless more digits may come.
            Err(Stop::End(missing)) => missing.is_empty() && self.ended,
            Err(Stop::Impossible) => false,
        };
        if ends {
            let text = std::str::from_utf8(&self.text[start..self.at]).expect("ASCII");
            let is_too_large = scalar(text).is_string();
            let text = if is_too_large { scalar(text).to_string() } else { text.to_owned() };
            self.out.extend_from_slice(text.as_bytes());
        }
        stop
    }

    /// Passes over a number. At the end of the text: what is missing of it, which may be nothing.
    fn digits(&mut self) -> Result<(), Stop> {
        if self.peek("0")? == b'-' {
            self.at += 1;
        }
        if self.peek("0")? == b'0' {
            self.at += 1;
        } else {
            self.some_digits()?;
        }
        if self.peek("")? == b'.' {
            self.at += 1;
            self.some_digits()?;
        }
        if matches!(self.peek("")?, b'e' | b'E') {
            self.at += 1;
            if matches!(self.peek("0")?, b'+' | b'-') {
                self.at += 1;
            }
            self.some_digits()?;
        }
        Ok(())
    }

    fn some_digits(&mut self) -> Result<(), Stop> {
        if !self.peek("0")?.is_ascii_digit() {
            return Err(Stop::Impossible);
        }
        while self.peek("")?.is_ascii_digit() {
            self.at += 1;
        }
        Ok(())
    }
}
