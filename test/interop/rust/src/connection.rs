//! Connections, to a broker and from whoever calls.

use capnp::Error;
use capnp::any_pointer::Pipeline;
use capnp::message::ReaderOptions;
use capnp_rpc::RpcSystem;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::twoparty::VatNetwork;
use futures::io::{BufReader, BufWriter};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio_util::compat::{TokioAsyncReadCompatExt, TokioAsyncWriteCompatExt};

use crate::sturdy_capnp::gate;

const MEBIBYTE: usize = 1024 * 1024;

/// The two ends of a connection run until it is closed; then the task ends.
pub fn system(socket: UnixStream, side: Side, bootstrap: Option<capnp::capability::Client>) -> RpcSystem<Side> {
    let (reading, writing) = tokio::io::split(socket);
    let reading = BufReader::new(reading.compat());
    let writing = BufWriter::new(writing.compat_write());
    // What this side takes. The library's own limit is 64 MiB, envelope and all.
    let mut taken = ReaderOptions::new();
    taken.traversal_limit_in_words(Some(80 * MEBIBYTE / 8));
    RpcSystem::new(Box::new(VatNetwork::new(reading, writing, side, taken)), bootstrap)
}

/// A connection of ours. It ends when it is dropped.
pub struct Connected {
    pub gate: gate::Client,
    pub running: JoinHandle<Result<(), Error>>,
}

impl Connected {
    pub async fn to(path: &str) -> Result<Self, Error> {
        let mut system = system(UnixStream::connect(path).await?, Side::Client, None);
        let gate = system.bootstrap(Side::Server);
        Ok(Self { gate, running: tokio::task::spawn_local(system) })
    }

    /// What the reference restores to: a promise of it.
    pub fn restore(&self, secret: &[u8]) -> Pipeline {
        let mut request = self.gate.restore_request();
        request.get().init_ref().set_secret(secret);
        request.send().pipeline.get_cap()
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.running.abort();
    }
}
