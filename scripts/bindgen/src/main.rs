//! `bindgen <compiled.wasm> <out directory>`: writes `hf_inference_wasm.js` and
//! `hf_inference_wasm_bg.wasm`.

use std::process::ExitCode;

use walrus::{ElementItems, ExportItem, Module};
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
            .generate_output()
    });
    let generated = generated.and_then(|mut output| {
        drop_unused_callbacks(output.wasm_mut());
        output.emit(out)
    });
    match generated {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bindgen: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// js-sys says of each of its functions that takes a callback how JavaScript would call that, used or not. What
/// it says is gone by now, but what would be called still has its place in the table, by which everything in the
/// table counts as used. Only exports are called by JavaScript, and nothing else calls these.
fn drop_unused_callbacks(module: &mut Module) {
    let exported: Vec<_> = module
        .exports
        .iter()
        .filter_map(|export| match export.item {
            ExportItem::Function(function) => Some(function),
            _ => None,
        })
        .collect();
    let is_unused = |function: &walrus::Function| {
        let name = function.name.as_deref().unwrap_or_default();
        name.contains("::convert::closures::_::invoke::<") && !exported.contains(&function.id())
    };
    let unused: Vec<_> =
        module.funcs.iter().filter(|function| is_unused(function)).map(|function| function.id()).collect();
    for element in module.elements.iter_mut() {
        let ElementItems::Functions(places) = &mut element.items else { continue };
        let Some(&other) = places.iter().find(|place| !unused.contains(place)) else { continue };
        // A place has to name some function, and the others must stay where they are.
        places.iter_mut().filter(|place| unused.contains(place)).for_each(|place| *place = other);
    }
}
