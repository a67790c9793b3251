capnp::generated_code!(mod sturdy_capnp);
capnp::generated_code!(mod peer_capnp);
fn main() {}
