//! The client: objects of its own, and what runs the list.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::rc::Rc;
use std::time::{Duration, Instant};

use capnp::capability::FromClientHook;
use capnp::{Error, ErrorKind};
use capnp_rpc::new_client_from_rc;
use futures::channel::oneshot;
use futures::future::Shared;
use tokio::time::{sleep, timeout};

use crate::LIBRARY;
use crate::checks;
use crate::connection::Connected;
use crate::peer_capnp::{ErrorType, bouncer, callback, peer, source, switchboard, thrower};
use crate::refs::Refs;
use crate::sample::Result;
use crate::server::{error_of, kind_of};

pub const PATIENCE: Duration = Duration::from_secs(20);

const OWN_OBJECTS: &str = "what is saved through a broker must be an object of its domain";

/// What happens to an object of this side: the numbers that it was told, and whether it was let go.
#[derive(Default)]
pub struct Heard {
    pub numbers: RefCell<Vec<u32>>,
    pub released: Cell<bool>,
}

pub struct Own(pub Rc<Heard>);

impl Own {
    pub fn new() -> (callback::Client, Rc<Heard>) {
        let heard = Rc::new(Heard::default());
        (capnp_rpc::new_client(Self(heard.clone())), heard)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.0.released.set(true);
    }
}

impl callback::Server for Own {
    async fn call(self: Rc<Self>, params: callback::CallParams, mut results: callback::CallResults) -> Result<()> {
        let number = params.get()?.get_number();
        self.0.numbers.borrow_mut().push(number);
        results.get().set_answer(number + 1000);
        Ok(())
    }
}

/// Gives its callback when it may.
pub struct Source {
    pub callback: callback::Client,
    pub given: Shared<oneshot::Receiver<()>>,
}

impl source::Server for Source {
    async fn give(self: Rc<Self>, _: source::GiveParams, mut results: source::GiveResults) -> Result<()> {
        self.given.clone().await.map_err(|_| Error::failed("it is never given".into()))?;
        results.get().set_callback(self.callback.clone());
        Ok(())
    }
}

pub struct Thrower;

impl thrower::Server for Thrower {
    async fn fail(self: Rc<Self>, params: thrower::FailParams, _: thrower::FailResults) -> Result<()> {
        let params = params.get()?;
        Err(error_of(params.get_type()?, params.get_message()?.to_string()?))
    }
}

pub struct Bouncer;

impl bouncer::Server for Bouncer {
    async fn bounce(self: Rc<Self>, params: bouncer::BounceParams, mut results: bouncer::BounceResults) -> Result<()> {
        let params = params.get()?;
        if params.get_left() == 0 {
            return Ok(());
        }
        let mut request = params.get_peer()?.bounce_request();
        request.get().set_bouncer(new_client_from_rc(self));
        request.get().set_left(params.get_left() - 1);
        let bounced = request.send().promise.await?;
        results.get().set_bounces(bounced.get()?.get_bounces() + 1);
        Ok(())
    }
}

#[derive(Clone, Copy)]
pub struct Counts {
    pub hanging: u32,
    pub cancelled: u32,
    pub live: u32,
    pub waiting: u32,
}

pub struct Client {
    pub refs: Refs,
    name: String,
    main: Connected,
}

impl Client {
    /// The peer, on this connection: a promise of it.
    pub fn on(&self, connected: &Connected) -> Result<peer::Client> {
        if self.refs.has("peer") {
            return Ok(peer::Client::new(connected.restore(self.refs.secret("peer")?).as_cap()));
        }
        let switchboard = connected.restore(self.refs.secret("switchboard")?).as_cap();
        let mut request = switchboard::Client::new(switchboard).find_request();
        request.get().set_name(&self.name[..]);
        Ok(request.send().pipeline.get_peer())
    }

    pub fn peer(&self) -> Result<peer::Client> {
        self.on(&self.main)
    }

    pub async fn connect(&self) -> Result<Connected> {
        Connected::to(&self.refs.path).await
    }

    pub async fn counts(&self) -> Result<Counts> {
        let response = self.peer()?.counts_request().send().promise.await?;
        let counts = response.get()?.get_counts()?;
        Ok(Counts {
            hanging: counts.get_hanging(),
            cancelled: counts.get_cancelled(),
            live: counts.get_live(),
            waiting: counts.get_waiting(),
        })
    }

    /// Asks for the counts until they are as they have to be.
    pub async fn until(&self, what: &str, hold: impl Fn(Counts) -> bool) -> Result<()> {
        eventually(what, async || Ok(hold(self.counts().await?))).await
    }

    /// Waits until a new connection reaches it: who was cut off has to come back first.
    pub async fn reached_anew(&self) -> Result<()> {
        let connected = self.connect().await?;
        eventually("a new connection reaches it", async || {
            Ok(self.on(&connected)?.describe_request().send().promise.await.is_ok())
        })
        .await
    }

    pub async fn throws(&self, kind: ErrorType) -> Result<()> {
        let text = format!("Größe: {kind:?} 😀");
        let mut request = self.peer()?.fail_request();
        request.get().set_type(kind);
        request.get().set_message(&text[..]);
        fails(request.send().promise, kind_of(kind), &text).await?;
        self.counts().await.map(|_| ())
    }
}

pub async fn eventually(what: &str, holds: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while !holds().await? {
        if Instant::now() > end {
            return Err(Error::failed(format!("{what}: not in {PATIENCE:?}")));
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// The call ends with an error.
pub async fn failure<T>(call: impl Future<Output = Result<T>>) -> Result<Error> {
    match timeout(PATIENCE, call).await {
        Ok(Err(error)) => Ok(error),
        Ok(Ok(_)) => Err(Error::failed("it returned; must fail".into())),
        Err(_) => Err(Error::failed("it does not end; must fail".into())),
    }
}

/// It is an error of this kind, with this in its text.
pub async fn fails<T>(call: impl Future<Output = Result<T>>, kind: ErrorKind, text: &str) -> Result<()> {
    let error = failure(call).await?;
    if error.kind == kind && error.extra.contains(text) {
        return Ok(());
    }
    Err(Error::failed(format!("found {:?}: {}; wanted {kind:?}: ...{text}...", error.kind, error.extra)))
}

/// Runs the list. Gives the exit code.
pub async fn check(file: &str, name: &str) -> Result<i32> {
    let refs = Refs::read(file)?;
    let main = Connected::to(&refs.path).await?;
    let client = Client { refs, name: name.into(), main };
    let described = client.peer()?.describe_request().send().promise.await?;
    let described = described.get()?;
    println!("client: Rust, {LIBRARY}");
    println!("server: {}, {}", described.get_language()?.to_str()?, described.get_library()?.to_str()?);
    let mut cannot = HashMap::new();
    for each in described.get_cannot()? {
        cannot.insert(each.get_check()?.to_string()?, each.get_why()?.to_string()?);
    }
    let mut bad = 0;
    for name in checks::NAMES {
        let outcome = match timeout(2 * PATIENCE, checks::run(&client, name)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::failed(format!("it did not end in {:?}", 2 * PATIENCE))),
        };
        let line = match (outcome, cannot.get(*name)) {
            (Ok(()), Some(why)) => format!("not ok {name}: passed, though {why}"),
            (Ok(()), None) => format!("ok {name}"),
            (Err(_), Some(why)) => {
                // Nothing worse has happened than what was said.
                client.counts().await?;
                format!("cannot {name}: {why}")
            }
            (Err(error), None) if error.extra.contains("cannot be saved") => format!("cannot {name}: {OWN_OBJECTS}"),
            (Err(error), None) => format!("not ok {name}: {}", error.to_string().replace('\n', " ")),
        };
        bad += i32::from(line.starts_with("not ok"));
        println!("{line}");
    }
    Ok(i32::from(bad > 0))
}
