//! A client in Rust: restores an account, reads its balance, is told of its next entry by a callback, saves the
//! account, and hands out a weaker reference to it that it revokes.
//!
//! usage: balance REFS NAME
//!
//! The modules are what capnpc makes of schema/sturdy.capnp and examples/ledger/ledger.capnp in build.rs.

// Not all of what the schemas declare is called here.
#![allow(dead_code)]

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use capnp::Error;
use capnp::capability::FromClientHook;
use capnp::traits::HasTypeId;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::{RpcSystem, new_client, twoparty::VatNetwork};
use futures::channel::oneshot;
use ring::digest::{SHA256, digest};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::{LocalSet, spawn_local};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{self, ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio_util::compat::{TokioAsyncReadCompatExt, TokioAsyncWriteCompatExt};

use ledger_capnp::{account, watcher};
use persistent_capnp::persistent;
use sturdy_capnp::{delegable, gate, owner, sturdy_ref};

capnp::generated_code!(mod persistent_capnp);
capnp::generated_code!(mod sturdy_capnp);
capnp::generated_code!(mod ledger_capnp);

/// A sturdyref: the place of a broker, and the secret that it restores.
struct Ref {
    place: String,
    secret: Vec<u8>,
}

impl Ref {
    /// No error says what the secret is.
    fn parse(printed: &str) -> Result<Self, Error> {
        let malformed = "not a sturdyref: behind the # stand 33 bytes in base64url, the first of them a 1";
        let (place, secret) = printed.trim().split_once('#').unwrap_or_default();
        match URL_SAFE_NO_PAD.decode(secret) {
            Ok(secret) if secret.len() == 33 && secret[0] == 1 => Ok(Self { place: place.into(), secret }),
            _ => Err(Error::failed(malformed.into())),
        }
    }

    /// Connects to the broker that the reference names, where its secret is safe on the way.
    async fn connect(&self) -> Result<Broker, Error> {
        let failed = |why: &str| Error::failed(why.into());
        if let Some(path) = self.place.strip_prefix("sturdy+unix://") {
            let path = percent_encoding::percent_decode_str(path).decode_utf8()?;
            return Ok(Broker::of(&self.place, UnixStream::connect(&*path).await?));
        }
        let Some(address) = self.place.strip_prefix("sturdy://").and_then(|rest| rest.strip_suffix('/')) else {
            return Err(failed("not a sturdyref: neither sturdy+unix://PATH nor sturdy://HOST:PORT/"));
        };
        if let Some((key, address)) = address.split_once('@') {
            let key = key.strip_prefix("sha-256:").and_then(|key| URL_SAFE_NO_PAD.decode(key).ok());
            let key = key.ok_or_else(|| failed("not a sturdyref: before the @ stands sha-256:KEY"))?;
            let socket = TcpStream::connect(address).await?;
            // Nobody is asked for its name, and this one is not sent.
            let nobody = ServerName::IpAddress(socket.peer_addr()?.ip().into());
            let stream = TlsConnector::from(KnownBy::config(key)?).connect(nobody, socket).await?;
            return Ok(Broker::of(&self.place, stream));
        }
        let host = address.rsplit_once(':').map(|(host, _)| host.trim_matches(['[', ']']));
        if !host.and_then(|host| host.parse().ok()).is_some_and(|host: IpAddr| host.is_loopback()) {
            return Err(failed("a reference without a key is for the loopback address only"));
        }
        Ok(Broker::of(&self.place, TcpStream::connect(address).await?))
    }
}

/// Lets a server in by the SHA-256 of its public key, before anything is sent to it.
#[derive(Debug)]
struct KnownBy {
    key: Vec<u8>,
    crypto: Arc<CryptoProvider>,
}

impl KnownBy {
    fn config(key: Vec<u8>) -> Result<Arc<ClientConfig>, Error> {
        let crypto = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(crypto.clone()).with_protocol_versions(&[&TLS13]);
        let builder = builder.map_err(|error| Error::failed(error.to_string()))?;
        let verifier = Arc::new(Self { key, crypto });
        Ok(Arc::new(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()))
    }
}

impl ServerCertVerifier for KnownBy {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
        if digest(&SHA256, &found).as_ref() != self.key {
            let other = "the server has another key than the reference names; nothing was sent to it";
            return Err(rustls::Error::General(other.into()));
        }
        Ok(ServerCertVerified::assertion())
    }

    /// That the server has the private key too.
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.crypto.signature_verification_algorithms)
    }

    /// Of no use to TLS 1.3.
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 is spoken here, and nothing older".into()))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.crypto.signature_verification_algorithms.supported_schemes()
    }
}

/// A connection to the broker at a place.
struct Broker {
    place: String,
    gate: gate::Client,
}

impl Broker {
    fn of(place: &str, stream: impl AsyncRead + AsyncWrite + 'static) -> Self {
        let (reading, writing) = tokio::io::split(stream);
        let network = VatNetwork::new(reading.compat(), writing.compat_write(), Side::Client, Default::default());
        let mut system = RpcSystem::new(Box::new(network), None);
        let gate = system.bootstrap(Side::Server);
        spawn_local(system);
        Self { place: place.into(), gate }
    }

    /// Gives a promise of the object. Only the broker that a reference names is shown it.
    fn restore(&self, reference: &Ref) -> Result<account::Client, Error> {
        if reference.place != self.place {
            return Err(Error::failed("this reference is for another broker".into()));
        }
        let mut request = self.gate.restore_request();
        request.get().init_ref().set_secret(&reference.secret);
        Ok(account::Client::new(request.send().pipeline.get_cap().as_cap()))
    }
}

/// A callback: an object of this side that the account calls.
struct Watcher(RefCell<Option<oneshot::Sender<i64>>>);

impl watcher::Server for Watcher {
    async fn booked(self: Rc<Self>, params: watcher::BookedParams, _: watcher::BookedResults) -> Result<(), Error> {
        if let Some(told) = self.0.take() {
            let _ = told.send(params.get()?.get_entry()?.get_cents());
        }
        Ok(())
    }
}

async fn balance_of(account: &account::Client) -> Result<i64, Error> {
    Ok(account.balance_request().send().promise.await?.get()?.get_cents())
}

async fn run(file: &str, name: &str) -> Result<(), Error> {
    let text = std::fs::read_to_string(file)?;
    let named = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let reference = Ref::parse(named.ok_or_else(|| Error::failed(format!("{file} has no reference {name}")))?)?;
    let broker = reference.connect().await?;

    // Pipelined: the balance is asked for before the restore has returned.
    let account = broker.restore(&reference)?;
    println!("balance {}", balance_of(&account).await?);

    let (tell, told) = oneshot::channel();
    let mut watch = account.watch_request();
    watch.get().set_watcher(new_client(Watcher(RefCell::new(Some(tell)))));
    let _watching = watch.send().promise.await?;
    let mut deposit = account.deposit_request();
    deposit.get().set_cents(1);
    deposit.get().set_memo("a client");
    deposit.send().promise.await?;
    println!("booked {}", told.await.map_err(|_| Error::failed("the watcher was let go of".into()))?);

    // A reference as strong as the account, for whoever knows it.
    let persistent: persistent::Client<sturdy_ref::Owned, owner::Owned> = account.clone().cast_to();
    let mut save = persistent.save_request();
    save.get().init_seal_for().set_anyone(());
    let saved = save.send().promise.await?;
    let secret = saved.get()?.get_sturdy_ref()?.get_secret()?.to_vec();
    let again = broker.restore(&Ref { place: broker.place.clone(), secret })?;
    println!("restored {}", balance_of(&again).await?);

    // A weaker one, which can read the balance and no more, and the power to revoke it.
    let mut attenuate = account.clone().cast_to::<delegable::Client>().attenuate_request();
    attenuate.get().set_label("balance only");
    let mut allowed = attenuate.get().init_policy().init_methods().init_only(1).get(0);
    allowed.set_interface(account::Client::TYPE_ID);
    allowed.init_methods(1).set(0, "balance");
    let minted = attenuate.send().promise.await?;
    let reader: account::Client = minted.get()?.get_cap().get_as_capability()?;
    balance_of(&reader).await?;
    minted.get()?.get_grant()?.revoke_request().send().promise.await?;
    if balance_of(&reader).await.is_ok() {
        return Err(Error::failed("a revoked capability still works".into()));
    }
    println!("revoked");
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, file, name] = &arguments[..] else {
        eprintln!("usage: balance REFS NAME");
        std::process::exit(2);
    };
    if let Err(error) = LocalSet::new().run_until(run(file, name)).await {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
