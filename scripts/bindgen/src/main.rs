//! `bindgen <compiled.wasm> <out directory>`: writes `hf_inference_wasm.js` and
//! `hf_inference_wasm_bg.wasm`.

use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, out] = arguments.as_slice() else {
        eprintln!("usage: bindgen <compiled.wasm> <out directory>");
        return ExitCode::FAILURE;
    };
    let mut bindgen = Bindgen::new();
    let generated = bindgen.input_path(input).out_name("hf_inference_wasm").web(true).and_then(|bindgen| {
        bindgen
            // The entries of the package say where the module is; the glue must not name a file.
            .omit_default_module_path(true)
            // A trapped instance is replaced by a new one.
            .reset_state_function(true)
            .typescript(true)
            .remove_name_section(true)
            .remove_producers_section(true)
            .generate(out)
    });
    match generated {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bindgen: {error:#}");
            ExitCode::FAILURE
        }
    }
}
