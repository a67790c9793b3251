//! Makes the modules of generated code, `sturdy_capnp` and so on, of the schemas.

use std::{env, fs, path::Path};

fn main() {
    let root = Path::new("../../..");
    let schemas = root.join("schema");

    // persistent.capnp has an interface and an annotation that would both be a module of the same name. Nothing here
    // has a use for the annotation.
    let output = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let edited = Path::new(&output).join("edited");
    let persistent = fs::read_to_string(schemas.join("capnp/persistent.capnp")).expect("it is in the repository");
    let (rest, _) = persistent
        .split_once("annotation persistent(")
        .expect("the annotation stands at the end of persistent.capnp");
    fs::create_dir_all(&edited).expect("OUT_DIR can be written");
    fs::write(edited.join("persistent.capnp"), rest).expect("OUT_DIR can be written");

    for (folder, file) in [
        (edited, "persistent.capnp"),
        (schemas.clone(), "sturdy.capnp"),
        (root.join("examples/ledger"), "ledger.capnp"),
        (root.join("test/interop"), "peer.capnp"),
    ] {
        capnpc::CompilerCommand::new()
            .no_standard_import()
            .import_path(&schemas)
            .src_prefix(&folder)
            .file(folder.join(file))
            .run()
            .unwrap_or_else(|error| panic!("{file}: {error}"));
    }
}
