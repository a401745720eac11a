//! Writes the corpus that the fuzzer begins with: the examples and fixtures of the native tests.
//! Usage: `seed <corpus> <fixtures>`.

use std::fs;
use std::io::Result;
use std::path::{Path, PathBuf};

use hf_inference_wasm_fuzz::common::{json, sse};
use hf_inference_wasm_fuzz::input::HEADER;

const REQUESTS: &[&str] = &[
    r#"{"messages":[{"role":"user","content":"é"}],"model":"m","stream":true,"stream_options":{"include_usage":true},"store":true}"#,
    r#"{"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}}}"#,
    r#"{"inputs":"i","parameters":{"max_new_tokens":20,"return_full_text":true,"do_sample":false,"grammar":{}}}"#,
];

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(corpus), Some(fixtures)) = (arguments.next(), arguments.next()) else {
        panic!("usage: seed <corpus> <fixtures>")
    };
    let bodies = bodies(&fixtures)?;
    let bodies = || bodies.iter().map(Vec::as_slice);
    let documents = || json::GOOD.iter().chain(json::BAD).map(|text| text.as_bytes());
    let streams = sse::SAMPLES.iter().map(|text| text.as_bytes());
    let seeds: [(&str, Vec<&[u8]>); 6] = [
        ("json", documents().chain(bodies()).collect()),
        ("sse", streams.chain(bodies()).collect()),
        ("chat", bodies().collect()),
        ("generation", bodies().collect()),
        ("body", REQUESTS.iter().map(|text| text.as_bytes()).collect()),
        ("partial", documents().chain(bodies()).collect()),
    ];
    for (target, seeds) in seeds {
        let folder = corpus.join(target);
        fs::create_dir_all(&folder)?;
        for (number, seed) in seeds.into_iter().enumerate() {
            // The text is taken as it is: with all other switches off, and with those on that change how a
            // stream is told.
            for switches in [0, 0b1110_1100] {
                let mut header = [0; HEADER];
                header[0] = switches;
                fs::write(folder.join(format!("seed-{number}-{switches}")), [&header, seed].concat())?;
            }
        }
        // And some bytes to grow a plausible one from.
        for number in 0..32u8 {
            let bytes = (0..=255u8).map(|at| at.wrapping_mul(number.wrapping_mul(2) + 37) ^ (at >> 3));
            let seed = [number << 1 | 1, number, number, 0].into_iter().chain(bytes);
            fs::write(folder.join(format!("grown-{number}")), seed.collect::<Vec<u8>>())?;
        }
    }
    Ok(())
}

/// The services' bodies among the fixtures; beside each stands what is to be read from it.
fn bodies(fixtures: &Path) -> Result<Vec<Vec<u8>>> {
    let mut bodies = Vec::new();
    for entry in fs::read_dir(fixtures)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_file() && !name.ends_with(".expected.json") {
            bodies.push(fs::read(&path)?);
        }
    }
    Ok(bodies)
}
