//! The `Peer` of peer.capnp, and the gate in front of it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use capnp::capability::{FromClientHook, Params, Results};
use capnp::{Error, ErrorKind};
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::{new_client, new_client_from_rc};
use futures::channel::oneshot;
use tokio::net::UnixListener;

use crate::LIBRARY;
use crate::connection::{self, Connected};
use crate::peer_capnp::{ErrorType, callback, link, peer, saved, sink, switchboard};
use crate::persistent_capnp::persistent;
use crate::refs::Refs;
use crate::sample::{self, Result};
use crate::sturdy_capnp::{gate, owner, sturdy_ref};

pub fn error_of(kind: ErrorType, message: String) -> Error {
    match kind {
        ErrorType::Failed => Error::failed(message),
        ErrorType::Overloaded => Error::overloaded(message),
        ErrorType::Disconnected => Error::disconnected(message),
        ErrorType::Unimplemented => Error::unimplemented(message),
    }
}

/// The kind that an error is of, for those that are about another language's program.
pub fn kind_of(kind: ErrorType) -> ErrorKind {
    error_of(kind, String::new()).kind
}

#[derive(Default)]
struct State {
    hanging: Cell<u32>,
    cancelled: Cell<u32>,
    live: Cell<u32>,
    waiting: RefCell<Vec<oneshot::Sender<u32>>>,
    kept: RefCell<Option<callback::Client>>,
}

fn add(count: &Cell<u32>, more: i32) {
    count.set(count.get().wrapping_add_signed(more));
}

/// Lives as long as a call that hangs.
struct Hanging(Rc<State>);

impl Hanging {
    fn new(state: &Rc<State>) -> Self {
        add(&state.hanging, 1);
        Self(state.clone())
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        add(&self.0.hanging, -1);
        add(&self.0.cancelled, 1);
    }
}

/// An object that is counted while it lives.
struct Made(Rc<State>);

impl Made {
    fn new(state: &Rc<State>) -> callback::Client {
        add(&state.live, 1);
        new_client(Self(state.clone()))
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        add(&self.0.live, -1);
    }
}

impl callback::Server for Made {
    async fn call(self: Rc<Self>, params: callback::CallParams, mut results: callback::CallResults) -> Result<()> {
        results.get().set_answer(params.get()?.get_number());
        Ok(())
    }
}

/// A link of a chain that never ends.
pub struct LinkAt(pub u32);

impl link::Server for LinkAt {
    async fn next(self: Rc<Self>, _: link::NextParams, mut results: link::NextResults) -> Result<()> {
        let next: link::Client = new_client(Self(self.0 + 1));
        results.get().set_link(next.clone());
        results.get().init_nested().init_deeper().set_link(next);
        Ok(())
    }

    async fn depth(self: Rc<Self>, _: link::DepthParams, mut results: link::DepthResults) -> Result<()> {
        results.get().set_depth(self.0);
        Ok(())
    }
}

#[derive(Default)]
struct Sink {
    writes: Cell<u32>,
    bytes: Cell<u64>,
    out_of_order: Cell<bool>,
}

impl sink::Server for Sink {
    async fn write(self: Rc<Self>, params: sink::WriteParams) -> Result<()> {
        let params = params.get()?;
        self.out_of_order.set(self.out_of_order.get() || params.get_number() != self.writes.get());
        add(&self.writes, 1);
        self.bytes.set(self.bytes.get() + params.get_data()?.len() as u64);
        Ok(())
    }

    async fn done(self: Rc<Self>, _: sink::DoneParams, mut results: sink::DoneResults) -> Result<()> {
        results.get().set_writes(self.writes.get());
        results.get().set_bytes(self.bytes.get());
        results.get().set_in_order(!self.out_of_order.get());
        Ok(())
    }
}

/// The object of this name.
struct Saved(String);

impl saved::Server for Saved {
    async fn name(self: Rc<Self>, _: saved::NameParams, mut results: saved::NameResults) -> Result<()> {
        results.get().set_name(&self.0[..]);
        Ok(())
    }
}

impl persistent::Server<sturdy_ref::Owned, owner::Owned> for Saved {
    async fn save(
        self: Rc<Self>,
        // In full: the generated names for these have their two parameters now in one order and now in the other.
        _: Params<persistent::save_params::Owned<sturdy_ref::Owned, owner::Owned>>,
        mut results: Results<persistent::save_results::Owned<sturdy_ref::Owned, owner::Owned>>,
    ) -> Result<()> {
        let secret = format!("saved:{}", self.0);
        results.get().init_sturdy_ref().set_secret(secret.as_bytes());
        Ok(())
    }
}

#[derive(Default)]
struct Peer(Rc<State>);

pub async fn answer_of(callback: &callback::Client, number: u32) -> Result<u32> {
    let mut request = callback.call_request();
    request.get().set_number(number);
    Ok(request.send().promise.await?.get()?.get_answer())
}

impl peer::Server for Peer {
    async fn describe(self: Rc<Self>, _: peer::DescribeParams, mut results: peer::DescribeResults) -> Result<()> {
        results.get().set_language("Rust");
        results.get().set_library(LIBRARY);
        Ok(())
    }

    async fn echo(self: Rc<Self>, params: peer::EchoParams, mut results: peer::EchoResults) -> Result<()> {
        let given = params.get()?.get_value()?;
        sample::check(given)?;
        let mut value = results.get().init_value();
        sample::make(value.reborrow());
        value.set_callback(given.get_callback()?);
        let callbacks = given.get_callbacks()?;
        let mut list = value.reborrow().init_callbacks(callbacks.len());
        for (i, each) in callbacks.iter().enumerate() {
            list.set(i as u32, each?.into_client_hook());
        }
        let any: callback::Client = given.get_any_capability().get_as_capability()?;
        value.get_any_capability().set_as_capability(any.into_client_hook());
        Ok(())
    }

    async fn link(self: Rc<Self>, _: peer::LinkParams, mut results: peer::LinkResults) -> Result<()> {
        results.get().set_link(new_client(LinkAt(0)));
        Ok(())
    }

    async fn call_back(self: Rc<Self>, params: peer::CallBackParams, mut results: peer::CallBackResults) -> Result<()> {
        let params = params.get()?;
        let callback = params.get_callback()?;
        let mut answers = results.get().init_answers(params.get_times());
        for number in 0..params.get_times() {
            answers.set(number, answer_of(&callback, number).await?);
        }
        Ok(())
    }

    async fn keep(self: Rc<Self>, params: peer::KeepParams, _: peer::KeepResults) -> Result<()> {
        *self.0.kept.borrow_mut() = Some(params.get()?.get_callback()?);
        Ok(())
    }

    async fn tell(self: Rc<Self>, params: peer::TellParams, mut results: peer::TellResults) -> Result<()> {
        let kept = self.0.kept.borrow().clone();
        let kept = kept.ok_or_else(|| Error::failed("nothing was kept".into()))?;
        results.get().set_answer(answer_of(&kept, params.get()?.get_number()).await?);
        Ok(())
    }

    async fn drop(self: Rc<Self>, _: peer::DropParams, _: peer::DropResults) -> Result<()> {
        *self.0.kept.borrow_mut() = None;
        Ok(())
    }

    async fn bounce(self: Rc<Self>, params: peer::BounceParams, mut results: peer::BounceResults) -> Result<()> {
        let params = params.get()?;
        if params.get_left() == 0 {
            return Ok(());
        }
        let mut request = params.get_bouncer()?.bounce_request();
        request.get().set_peer(new_client_from_rc(self));
        request.get().set_left(params.get_left() - 1);
        let bounced = request.send().promise.await?;
        results.get().set_bounces(bounced.get()?.get_bounces() + 1);
        Ok(())
    }

    async fn reflect(self: Rc<Self>, params: peer::ReflectParams, mut results: peer::ReflectResults) -> Result<()> {
        results.get().set_callback(params.get()?.get_callback()?);
        Ok(())
    }

    async fn later(self: Rc<Self>, params: peer::LaterParams, mut results: peer::LaterResults) -> Result<()> {
        let given = params.get()?.get_source()?.give_request().send();
        results.get().set_callback(given.pipeline.get_callback());
        Ok(())
    }

    async fn fail(self: Rc<Self>, params: peer::FailParams, _: peer::FailResults) -> Result<()> {
        let params = params.get()?;
        Err(error_of(params.get_type()?, params.get_message()?.to_string()?))
    }

    async fn relay(self: Rc<Self>, params: peer::RelayParams, _: peer::RelayResults) -> Result<()> {
        let params = params.get()?;
        let mut request = params.get_thrower()?.fail_request();
        request.get().set_type(params.get_type()?);
        request.get().set_message(params.get_message()?);
        request.send().promise.await.map(|_| ())
    }

    // The library's tail calls are not finished: this is a plain call.
    async fn forward(self: Rc<Self>, params: peer::ForwardParams, mut results: peer::ForwardResults) -> Result<()> {
        let next = params.get()?.get_link()?.next_request().send().promise.await?;
        results.get().set_link(next.get()?.get_link()?);
        Ok(())
    }

    async fn hang(self: Rc<Self>, _: peer::HangParams, _: peer::HangResults) -> Result<()> {
        let _hanging = Hanging::new(&self.0);
        std::future::pending().await
    }

    async fn counts(self: Rc<Self>, _: peer::CountsParams, mut results: peer::CountsResults) -> Result<()> {
        let mut counts = results.get().init_counts();
        counts.set_hanging(self.0.hanging.get());
        counts.set_cancelled(self.0.cancelled.get());
        counts.set_live(self.0.live.get());
        counts.set_waiting(self.0.waiting.borrow().len() as u32);
        Ok(())
    }

    async fn make(self: Rc<Self>, params: peer::MakeParams, mut results: peer::MakeResults) -> Result<()> {
        let count = params.get()?.get_count();
        let mut made = results.get().init_made(count);
        for i in 0..count {
            made.set(i, Made::new(&self.0).into_client_hook());
        }
        Ok(())
    }

    async fn same(self: Rc<Self>, params: peer::SameParams, mut results: peer::SameResults) -> Result<()> {
        let count = params.get()?.get_count();
        let mut made = results.get().init_made(count);
        let one = Made::new(&self.0);
        for i in 0..count {
            made.set(i, one.clone().into_client_hook());
        }
        Ok(())
    }

    async fn blob(self: Rc<Self>, params: peer::BlobParams, mut results: peer::BlobResults) -> Result<()> {
        sample::pattern(results.get().init_data(params.get()?.get_size()));
        Ok(())
    }

    async fn take(self: Rc<Self>, params: peer::TakeParams, mut results: peer::TakeResults) -> Result<()> {
        let data = params.get()?.get_data()?;
        results.get().set_size(data.len() as u32);
        results.get().set_intact(sample::is_pattern(data));
        Ok(())
    }

    async fn wait(self: Rc<Self>, _: peer::WaitParams, mut results: peer::WaitResults) -> Result<()> {
        let (opening, opened) = oneshot::channel();
        self.0.waiting.borrow_mut().push(opening);
        let place = opened.await.map_err(|_| Error::failed("nobody opens any more".into()))?;
        results.get().set_place(place);
        Ok(())
    }

    async fn open(self: Rc<Self>, _: peer::OpenParams, mut results: peer::OpenResults) -> Result<()> {
        let opened = self.0.waiting.take();
        results.get().set_opened(opened.len() as u32);
        for (place, each) in opened.into_iter().enumerate() {
            // Who waited may have gone away.
            let _ = each.send(place as u32);
        }
        Ok(())
    }

    async fn sink(self: Rc<Self>, _: peer::SinkParams, mut results: peer::SinkResults) -> Result<()> {
        results.get().set_sink(new_client(Sink::default()));
        Ok(())
    }

    async fn save(self: Rc<Self>, params: peer::SaveParams, mut results: peer::SaveResults) -> Result<()> {
        results.get().set_saved(new_client(Saved(params.get()?.get_name()?.to_string()?)));
        Ok(())
    }

    async fn exit(self: Rc<Self>, _: peer::ExitParams, _: peer::ExitResults) -> Result<()> {
        std::process::exit(0)
    }
}

struct Gate(peer::Client);

impl gate::Server for Gate {
    async fn restore(self: Rc<Self>, params: gate::RestoreParams, mut results: gate::RestoreResults) -> Result<()> {
        let secret = params.get()?.get_ref()?.get_secret()?;
        let restored = if secret == b"peer" {
            self.0.clone().into_client_hook()
        } else if let Some(name) = secret.strip_prefix(b"saved:") {
            let name = String::from_utf8_lossy(name).into_owned();
            new_client::<saved::Client, _>(Saved(name)).into_client_hook()
        } else {
            return Err(Error::failed("no such reference".into()));
        };
        results.get().get_cap().set_as_capability(restored);
        Ok(())
    }
}

pub async fn serve(path: &str) -> Result<()> {
    let listener = UnixListener::bind(path)?;
    let gate: gate::Client = new_client(Gate(new_client(Peer::default())));
    println!("ready");
    loop {
        let (socket, _) = listener.accept().await?;
        let system = connection::system(socket, Side::Server, Some(gate.clone().client));
        // A connection that ends in an error is no concern of the others.
        tokio::task::spawn_local(system);
    }
}

pub async fn join(file: &str, name: &str) -> Result<()> {
    let refs = Refs::read(file)?;
    let own: peer::Client = new_client(Peer::default());
    let mut first = true;
    loop {
        let mut connected = Connected::to(&refs.path).await?;
        let switchboard = connected.restore(refs.secret("switchboard")?).as_cap();
        let mut request = switchboard::Client::new(switchboard).plug_request();
        request.get().set_name(name);
        request.get().set_peer(own.clone());
        request.send().promise.await?;
        if std::mem::take(&mut first) {
            println!("ready");
        }
        let _ = (&mut connected.running).await;
    }
}
