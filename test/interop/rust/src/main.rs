//! A Rust program that is a peer of others, by capnp-rpc: it serves the `Peer` of peer.capnp, or runs the list of
//! checks.ts against whoever serves one.
//!
//! usage: peer serve SOCKET       serves on a unix socket, and prints `ready`
//!        peer join REFS NAME     serves through a broker: plugs itself in at its switchboard, and prints `ready`
//!        peer check REFS [NAME]  runs the list against the reference `peer`, or who is at the switchboard as NAME
//!
//! REFS has lines of a name and a printed reference. No reference is ever printed.

// Not all of what the schemas declare is called here.
#![allow(dead_code)]

mod checks;
mod client;
mod connection;
mod refs;
mod sample;
mod server;

capnp::generated_code!(mod persistent_capnp);
capnp::generated_code!(mod sturdy_capnp);
capnp::generated_code!(mod peer_capnp);

/// capnp-rpc has no name for its own version: it is the one that Cargo.toml asks for.
const LIBRARY: &str = "capnp-rpc 0.27.3";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = tokio::task::LocalSet::new();
    let code = done
        .run_until(async {
            let ended = match arguments[..] {
                ["serve", socket] => server::serve(socket).await.map(|()| 0),
                ["join", file, name] => server::join(file, name).await.map(|()| 0),
                ["check", file] => client::check(file, "").await,
                ["check", file, name] => client::check(file, name).await,
                _ => {
                    eprintln!("usage: peer serve SOCKET | join REFS NAME | check REFS [NAME]");
                    return 2;
                }
            };
            ended.unwrap_or_else(|error| {
                println!("not ok connect: {error}");
                1
            })
        })
        .await;
    std::process::exit(code);
}
