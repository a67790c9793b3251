//! The list, by the names of checks.ts and in their order.

use std::time::Duration;

use capnp::capability::{FromClientHook, RemotePromise};
use capnp::{Error, ErrorKind};
use capnp_rpc::new_client;
use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::try_join_all;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::time::sleep;

use crate::client::{Bouncer, Client, Own, Source, Thrower, eventually, failure, fails};
use crate::peer_capnp::{ErrorType, callback, peer, saved, unheard};
use crate::persistent_capnp::persistent;
use crate::sample::{self, Result, expect};
use crate::server::{LinkAt, answer_of};
use crate::sturdy_capnp::{owner, sturdy_ref};

const LARGE: u32 = 64 * 1024 * 1024;
/// More than any side takes.
const TOO_LARGE: u32 = 96 * 1024 * 1024;
/// One segment of 4 words is announced, and one word comes.
const HALF_A_MESSAGE: [u8; 16] = [0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0];

macro_rules! checks {
    ($($name:literal => $check:expr,)*) => {
        pub const NAMES: &[&str] = &[$($name),*];

        pub async fn run(client: &Client, name: &str) -> Result<()> {
            match name {
                $($name => $check(client).await,)*
                _ => Err(Error::failed("there is no such check".into())),
            }
        }
    };
}

checks! {
    "bootstrap" => bootstrap,
    "every type" => every_type,
    "nested pipelining" => nested_pipelining,
    "callback" => callback,
    "callback kept past the call" => callback_kept,
    "calls back and forth" => back_and_forth,
    "order: an answer becomes an object of the caller" => order_of_answer,
    "order: a promise becomes an object of the caller" => order_of_promise,
    "exception: failed" => async |client: &Client| client.throws(ErrorType::Failed).await,
    "exception: overloaded" => async |client: &Client| client.throws(ErrorType::Overloaded).await,
    "exception: disconnected" => async |client: &Client| client.throws(ErrorType::Disconnected).await,
    "exception: unimplemented" => async |client: &Client| client.throws(ErrorType::Unimplemented).await,
    "exception of a callback, passed on" => exception_of_callback,
    "method that nobody implements" => nobody_implements,
    "cancellation" => cancellation,
    "release of what it made" => release_of_made,
    "release of what it was given" => release_of_given,
    "one capability, many times in a message" => one_many_times,
    "tail call" => tail_call,
    "10,000 calls in flight" => many_in_flight,
    "streaming" => streaming,
    "save and restore" => save_and_restore,
    "64 MiB to it" => large_to_it,
    "64 MiB from it" => large_from_it,
    "over the limit, to it" => over_limit_to_it,
    "over the limit, from it" => over_limit_from_it,
    "the client goes away in the middle of a message" => gone_in_a_message,
    "the client goes away" => client_goes_away,
    "the server goes away" => server_goes_away,
}

async fn bootstrap(client: &Client) -> Result<()> {
    let connected = client.connect().await?;
    let described = client.on(&connected)?.describe_request().send().promise.await?;
    expect("it says what it is", described.get()?.get_language()?.is_empty(), false)
}

async fn every_type(client: &Client) -> Result<()> {
    let own = [Own::new(), Own::new(), Own::new()];
    let mut request = client.peer()?.echo_request();
    let mut value = request.get().init_value();
    sample::make(value.reborrow());
    value.set_callback(own[0].0.clone());
    let mut callbacks = value.reborrow().init_callbacks(2);
    for i in 0..2 {
        callbacks.set(i, own[i as usize + 1].0.clone().into_client_hook());
    }
    value.get_any_capability().set_as_capability(own[0].0.clone().into_client_hook());
    let response = request.send().promise.await?;
    let value = response.get()?.get_value()?;
    sample::check(value)?;
    let callbacks = value.get_callbacks()?;
    let any = value.get_any_capability().get_as_capability()?;
    let returned = [value.get_callback()?, callbacks.reborrow().get(0)?, callbacks.get(1)?, any];
    for (number, each) in (0..).zip(returned) {
        expect("answer", answer_of(&each, number).await?, number + 1000)?;
    }
    for (object, wanted) in own.iter().zip([vec![0, 3], vec![1], vec![2]]) {
        expect("what the object was told", object.1.numbers.borrow().clone(), wanted)?;
    }
    Ok(())
}

async fn nested_pipelining(client: &Client) -> Result<()> {
    let mut link = client.peer()?.link_request().send().pipeline.get_link();
    for _ in 0..16 {
        let nested = link.next_request().send().pipeline.get_nested().get_deeper().get_link();
        link = nested.next_request().send().pipeline.get_link();
    }
    expect("depth", link.depth_request().send().promise.await?.get()?.get_depth(), 32)
}

async fn callback(client: &Client) -> Result<()> {
    let (own, heard) = Own::new();
    let mut request = client.peer()?.call_back_request();
    request.get().set_callback(own);
    request.get().set_times(5);
    let response = request.send().promise.await?;
    let answers = response.get()?.get_answers()?.iter().collect::<Vec<_>>();
    expect("answers", answers, vec![1000, 1001, 1002, 1003, 1004])?;
    expect("what the object was told", heard.numbers.borrow().clone(), vec![0, 1, 2, 3, 4])
}

async fn keep(client: &Client, own: callback::Client) -> Result<()> {
    let mut request = client.peer()?.keep_request();
    request.get().set_callback(own);
    request.send().promise.await.map(|_| ())
}

async fn tell(client: &Client, number: u32) -> Result<u32> {
    let mut request = client.peer()?.tell_request();
    request.get().set_number(number);
    Ok(request.send().promise.await?.get()?.get_answer())
}

async fn let_go(client: &Client) -> Result<()> {
    client.peer()?.drop_request().send().promise.await.map(|_| ())
}

async fn callback_kept(client: &Client) -> Result<()> {
    let (own, heard) = Own::new();
    keep(client, own).await?;
    for number in [3, 1, 2] {
        expect("answer", tell(client, number).await?, number + 1000)?;
    }
    expect("what the object was told", heard.numbers.borrow().clone(), vec![3, 1, 2])?;
    let_go(client).await?;
    failure(tell(client, 4)).await.map(|_| ())
}

async fn back_and_forth(client: &Client) -> Result<()> {
    let mut request = client.peer()?.bounce_request();
    request.get().set_bouncer(new_client(Bouncer));
    request.get().set_left(20);
    expect("bounces", request.send().promise.await?.get()?.get_bounces(), 20)
}

/// A call that is on its way when this returns.
fn calling(callback: &callback::Client, number: u32) -> RemotePromise<callback::call_results::Owned> {
    let mut request = callback.call_request();
    request.get().set_number(number);
    request.send()
}

async fn order_of_answer(client: &Client) -> Result<()> {
    let (own, heard) = Own::new();
    let mut request = client.peer()?.reflect_request();
    request.get().set_callback(own);
    let answer = request.send();
    let early = answer.pipeline.get_callback();
    let mut calls: Vec<_> = (0..5).map(|number| calling(&early, number)).collect();
    answer.promise.await?;
    for number in 5..30 {
        calls.push(calling(&early, number));
        if number % 5 == 0 {
            tokio::task::yield_now().await;
        }
    }
    try_join_all(calls.into_iter().map(|call| call.promise)).await?;
    expect("what the object was told", heard.numbers.borrow().clone(), (0..30).collect())
}

async fn order_of_promise(client: &Client) -> Result<()> {
    let (own, heard) = Own::new();
    let (give, given) = oneshot::channel();
    let mut request = client.peer()?.later_request();
    request.get().set_source(new_client(Source { callback: own, given: given.shared() }));
    let callback = request.send().promise.await?.get()?.get_callback()?;
    let mut calls: Vec<_> = (0..5).map(|number| calling(&callback, number)).collect();
    // What was called arrives there before the promise resolves.
    client.counts().await?;
    give.send(()).map_err(|()| Error::failed("the source was let go of".into()))?;
    for number in 5..60 {
        calls.push(calling(&callback, number));
        if number % 3 == 0 {
            sleep(Duration::from_millis(1)).await;
        }
    }
    try_join_all(calls.into_iter().map(|call| call.promise)).await?;
    expect("what the object was told", heard.numbers.borrow().clone(), (0..60).collect())
}

async fn exception_of_callback(client: &Client) -> Result<()> {
    let mut request = client.peer()?.relay_request();
    request.get().set_thrower(new_client(Thrower));
    request.get().set_type(ErrorType::Overloaded);
    request.get().set_message("too much at once");
    fails(request.send().promise, ErrorKind::Overloaded, "too much at once").await
}

async fn nobody_implements(client: &Client) -> Result<()> {
    let peer: unheard::Client = client.peer()?.cast_to();
    fails(peer.of_request().send().promise, ErrorKind::Unimplemented, "").await?;
    client.counts().await.map(|_| ())
}

async fn cancellation(client: &Client) -> Result<()> {
    let before = client.counts().await?;
    let hanging = client.peer()?.hang_request().send();
    client.until("the call runs", |now| now.hanging == before.hanging + 1).await?;
    drop(hanging);
    client
        .until("it was cancelled", |now| {
            now.cancelled == before.cancelled + 1 && now.hanging == before.hanging
        })
        .await
}

async fn make(peer: peer::Client, count: u32) -> Result<Vec<callback::Client>> {
    let mut request = peer.make_request();
    request.get().set_count(count);
    request.send().promise.await?.get()?.get_made()?.iter().collect()
}

async fn release_of_made(client: &Client) -> Result<()> {
    let live = client.counts().await?.live;
    let mut made = make(client.peer()?, 10).await?;
    expect("live", client.counts().await?.live, live + 10)?;
    made.drain(..6);
    client.until("six are released", |now| now.live == live + 4).await?;
    expect("answer", answer_of(&made[3], 5).await?, 5)?;
    drop(made);
    client.until("all are released", |now| now.live == live).await
}

async fn release_of_given(client: &Client) -> Result<()> {
    let (own, heard) = Own::new();
    keep(client, own).await?;
    tell(client, 1).await?;
    expect("released", heard.released.get(), false)?;
    let_go(client).await?;
    eventually("it is released", async || Ok(heard.released.get())).await
}

async fn one_many_times(client: &Client) -> Result<()> {
    let live = client.counts().await?.live;
    let mut request = client.peer()?.same_request();
    request.get().set_count(5);
    let mut made: Vec<_> = request.send().promise.await?.get()?.get_made()?.iter().collect::<Result<_>>()?;
    made.truncate(1);
    expect("answer", answer_of(&made[0], 7).await?, 7)?;
    expect("live", client.counts().await?.live, live + 1)?;
    drop(made);
    client.until("it is released", |now| now.live == live).await
}

async fn tail_call(client: &Client) -> Result<()> {
    let mut request = client.peer()?.forward_request();
    request.get().set_link(new_client(LinkAt(41)));
    let forwarded = request.send();
    let early = forwarded.pipeline.get_link().depth_request().send().promise.await?;
    expect("depth", early.get()?.get_depth(), 42)?;
    let link = forwarded.promise.await?.get()?.get_link()?;
    expect("depth", link.depth_request().send().promise.await?.get()?.get_depth(), 42)
}

async fn many_in_flight(client: &Client) -> Result<()> {
    const COUNT: u32 = 10_000;
    let peer = client.peer()?;
    let calls: Vec<_> = (0..COUNT).map(|_| peer.wait_request().send().promise).collect();
    client.until("all wait", |now| now.waiting == COUNT).await?;
    expect("opened", peer.open_request().send().promise.await?.get()?.get_opened(), COUNT)?;
    for (place, answer) in (0..).zip(try_join_all(calls).await?) {
        expect("place", answer.get()?.get_place(), place)?;
    }
    Ok(())
}

async fn streaming(client: &Client) -> Result<()> {
    let sink = client.peer()?.sink_request().send().promise.await?.get()?.get_sink()?;
    let mut data = [0; 10_000];
    sample::pattern(&mut data);
    for number in 0..200 {
        let mut request = sink.write_request();
        request.get().set_number(number);
        request.get().set_data(&data);
        // Returns when there is room in the window for the next.
        request.send().await?;
    }
    let done = sink.done_request().send().promise.await?;
    let done = done.get()?;
    expect("done", (done.get_writes(), done.get_bytes(), done.get_in_order()), (200, 2_000_000, true))
}

async fn save_and_restore(client: &Client) -> Result<()> {
    let mut request = client.peer()?.save_request();
    request.get().set_name("keepsake");
    let saved = request.send().promise.await?.get()?.get_saved()?;
    let persistent: persistent::Client<sturdy_ref::Owned, owner::Owned> = saved.cast_to();
    let mut saving = persistent.save_request();
    saving.get().init_seal_for().set_anyone(());
    let kept = saving.send().promise.await?;
    let connected = client.connect().await?;
    let secret = kept.get()?.get_sturdy_ref()?.get_secret()?;
    let again = saved::Client::new(connected.restore(secret).as_cap());
    let named = again.name_request().send().promise.await?;
    expect("name", named.get()?.get_name()?.to_str()?, "keepsake")
}

async fn take(peer: peer::Client, size: u32) -> Result<(u32, bool)> {
    let mut request = peer.take_request();
    sample::pattern(request.get().init_data(size));
    let taken = request.send().promise.await?;
    let taken = taken.get()?;
    Ok((taken.get_size(), taken.get_intact()))
}

async fn blob(peer: peer::Client, size: u32) -> Result<(u32, bool)> {
    let mut request = peer.blob_request();
    request.get().set_size(size);
    let blob = request.send().promise.await?;
    let data = blob.get()?.get_data()?;
    Ok((data.len() as u32, sample::is_pattern(data)))
}

async fn large_to_it(client: &Client) -> Result<()> {
    expect("what it took", take(client.peer()?, LARGE).await?, (LARGE, true))
}

async fn large_from_it(client: &Client) -> Result<()> {
    expect("what it gave", blob(client.peer()?, LARGE).await?, (LARGE, true))
}

async fn over_limit_to_it(client: &Client) -> Result<()> {
    let link = client.peer()?.link_request().send().promise.await?.get()?.get_link()?;
    let connected = client.connect().await?;
    failure(take(client.on(&connected)?, TOO_LARGE)).await?;
    drop(connected);
    client.reached_anew().await?;
    expect("depth", link.depth_request().send().promise.await?.get()?.get_depth(), 0)
}

async fn over_limit_from_it(client: &Client) -> Result<()> {
    let connected = client.connect().await?;
    failure(blob(client.on(&connected)?, TOO_LARGE)).await?;
    drop(connected);
    client.reached_anew().await
}

async fn gone_in_a_message(client: &Client) -> Result<()> {
    let link = client.peer()?.link_request().send().promise.await?.get()?.get_link()?;
    let mut socket = UnixStream::connect(&client.refs.path).await?;
    socket.write_all(&HALF_A_MESSAGE).await?;
    drop(socket);
    client.reached_anew().await?;
    expect("depth", link.depth_request().send().promise.await?.get()?.get_depth(), 0)
}

async fn client_goes_away(client: &Client) -> Result<()> {
    let before = client.counts().await?;
    let connected = client.connect().await?;
    let peer = client.on(&connected)?;
    let made = make(peer.clone(), 2).await?;
    let hanging: Vec<_> = (0..3).map(|_| peer.hang_request().send()).collect();
    client
        .until("the calls run", |now| now.hanging == before.hanging + 3 && now.live == before.live + 2)
        .await?;
    // Without a word: the calls run and the objects are held.
    drop(connected);
    client
        .until("all is let go", |now| {
            now.cancelled == before.cancelled + 3 && now.live == before.live
        })
        .await?;
    drop((made, hanging));
    Ok(())
}

async fn server_goes_away(client: &Client) -> Result<()> {
    let peer = client.peer()?;
    let link = peer.link_request().send().promise.await?.get()?.get_link()?;
    let hanging = [peer.hang_request().send().promise, peer.hang_request().send().promise];
    let waiting = peer.wait_request().send().promise;
    client.until("the calls run", |now| now.hanging >= 2).await?;
    let exit = peer.exit_request().send().promise;
    for call in hanging {
        fails(call, ErrorKind::Disconnected, "").await?;
    }
    fails(waiting, ErrorKind::Disconnected, "").await?;
    fails(exit, ErrorKind::Disconnected, "").await?;
    fails(link.depth_request().send().promise, ErrorKind::Disconnected, "").await
}
