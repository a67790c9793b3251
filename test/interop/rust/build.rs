//! Makes the modules `sturdy_capnp`, `ledger_capnp` and `peer_capnp` of the schemas.

fn main() {
    let root = "../../..";
    for (folder, file) in [
        ("schema", "sturdy.capnp"),
        ("examples/ledger", "ledger.capnp"),
        ("test/interop", "peer.capnp"),
    ] {
        capnpc::CompilerCommand::new()
            .no_standard_import()
            .import_path(format!("{root}/schema"))
            .src_prefix(format!("{root}/{folder}"))
            .file(format!("{root}/{folder}/{file}"))
            .run()
            .unwrap_or_else(|error| panic!("{file}: {error}"));
    }
}
