// A client in C++: restores an account, reads its balance, is told of its next entry by a callback, saves the account,
// and hands out a weaker reference to it that it revokes.
//
// usage: balance REFS NAME
//
//   capnp compile -I schema --no-standard-import --src-prefix=schema -oc++:. schema/sturdy.capnp
//   capnp compile -I schema --no-standard-import --src-prefix=examples/ledger -oc++:. examples/ledger/ledger.capnp
//   g++ -std=c++17 -I. -x c++ balance.c++ sturdy.capnp.c++ ledger.capnp.c++ -lcapnp-rpc -lcapnp -lkj-async -lkj -lssl -lcrypto

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>
#include <kj/encoding.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

#include "ledger.capnp.h"
#include "sturdy.capnp.h"

class Recorder final : public Watcher::Server {
 public:
  explicit Recorder(kj::Own<kj::PromiseFulfiller<int64_t>> told) : told(kj::mv(told)) {}

 protected:
  kj::Promise<void> booked(BookedContext context) override {
    told->fulfill(context.getParams().getEntry().getCents());
    return kj::READY_NOW;
  }

 private:
  kj::Own<kj::PromiseFulfiller<int64_t>> told;
};

// As references are printed: base64url, for a decoder of plain base64. Nothing where it is malformed.
kj::Array<kj::byte> fromBase64Url(std::string text) {
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  auto decoded = kj::decodeBase64(kj::StringPtr(text.c_str()));
  if (decoded.hadErrors) return nullptr;
  return kj::mv(decoded);
}

// TLS to a server that is known by the SHA-256 of its public key. Nobody is asked for its name. OpenSSL is given the bytes
// and asked for them; what carries them is a stream of kj, which one call writes at a time.
class Tls final : public kj::AsyncIoStream {
 public:
  Tls(kj::Own<kj::AsyncIoStream> carrier, kj::Array<const kj::byte> key)
      : carrier(kj::mv(carrier)),
        key(kj::mv(key)),
        context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free),
        ssl(nullptr, SSL_free) {
    SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_cert_verify_callback(context.get(), hasKey, this);
    ssl.reset(SSL_new(context.get()));
    SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl.get());
  }

  // Until it is fulfilled the server's key has not been seen.
  kj::Promise<void> handshake() {
    int done = SSL_do_handshake(ssl.get());
    if (done != 1 && SSL_get_error(ssl.get(), done) != SSL_ERROR_WANT_READ) {
      if (SSL_get_verify_result(ssl.get()) == X509_V_ERR_APPLICATION_VERIFICATION) {
        KJ_FAIL_REQUIRE("the server has another key than the reference names; nothing was sent to it");
      }
      KJ_FAIL_REQUIRE("the server speaks no TLS 1.3; nothing was sent to it");
    }
    return flush().then([this, done]() -> kj::Promise<void> {
      if (done == 1) return kj::READY_NOW;
      return receive().then([this](bool more) {
        KJ_REQUIRE(more, "the server hung up before it showed its key");
        return handshake();
      });
    });
  }

  kj::Promise<size_t> tryRead(void* buffer, size_t minBytes, size_t maxBytes) override {
    return read(static_cast<kj::byte*>(buffer), 0, minBytes, maxBytes);
  }

  kj::Promise<void> write(const void* buffer, size_t size) override {
    put(buffer, size);
    return flush();
  }
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override {
    for (auto piece : pieces) put(piece.begin(), piece.size());
    return flush();
  }
  kj::Promise<void> whenWriteDisconnected() override { return carrier->whenWriteDisconnected(); }
  // The end of the connection follows at once, and Cap'n Proto frames its own messages.
  void shutdownWrite() override { carrier->shutdownWrite(); }

 private:
  kj::Own<kj::AsyncIoStream> carrier;
  kj::Array<const kj::byte> key;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl;
  kj::byte received[16384];

  // Stands for the whole check of a certificate. That the server has the private key too is checked by OpenSSL next.
  static int hasKey(X509_STORE_CTX* shown, void* self) {
    auto& key = static_cast<Tls*>(self)->key;
    kj::byte* der = nullptr;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(X509_STORE_CTX_get0_cert(shown)), &der);
    if (size > 0) {
      kj::byte found[SHA256_DIGEST_LENGTH];
      SHA256(der, size, found);
      OPENSSL_free(der);
      if (key == kj::arrayPtr(found, sizeof(found))) return 1;
    }
    X509_STORE_CTX_set_error(shown, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
  }

  kj::Promise<size_t> read(kj::byte* buffer, size_t got, size_t minBytes, size_t maxBytes) {
    while (got < minBytes) {
      size_t more = 0;
      int done = SSL_read_ex(ssl.get(), buffer + got, maxBytes - got, &more);
      got += more;
      if (done == 1) continue;
      int why = SSL_get_error(ssl.get(), done);
      if (why == SSL_ERROR_ZERO_RETURN) break;
      KJ_REQUIRE(why == SSL_ERROR_WANT_READ, "what the server sends is not TLS");
      return receive().then([=](bool more) -> kj::Promise<size_t> {
        if (!more) return got;
        return read(buffer, got, minBytes, maxBytes);
      });
    }
    return got;
  }

  void put(const void* bytes, size_t size) {
    size_t taken = 0;
    KJ_REQUIRE(size == 0 || SSL_write_ex(ssl.get(), bytes, size, &taken) == 1, "the connection by TLS is broken");
  }

  // Sends what OpenSSL has to send.
  kj::Promise<void> flush() {
    BIO* out = SSL_get_wbio(ssl.get());
    auto bytes = kj::heapArray<kj::byte>(BIO_ctrl_pending(out));
    if (bytes.size() == 0) return kj::READY_NOW;
    BIO_read(out, bytes.begin(), bytes.size());
    auto sent = carrier->write(bytes.begin(), bytes.size());
    return sent.attach(kj::mv(bytes));
  }

  // Gives OpenSSL what has come in. False where nothing comes any more.
  kj::Promise<bool> receive() {
    return carrier->tryRead(received, 1, sizeof(received)).then([this](size_t size) {
      BIO_write(SSL_get_rbio(ssl.get()), received, size);
      return size > 0;
    });
  }
};

// A sturdyref: the place of a broker, and the secret that it restores.
struct Ref {
  std::string place;
  kj::Array<const kj::byte> secret;

  // No error says what the secret is.
  explicit Ref(const std::string& printed)
      : place(printed.substr(0, printed.find('#'))),
        secret(fromBase64Url(printed.substr(std::min(place.size() + 1, printed.size())))) {
    if (secret.size() != 33 || secret[0] != 1) {
      throw std::runtime_error("not a sturdyref: behind the # stand 33 bytes in base64url, the first of them a 1");
    }
  }
  Ref(std::string place, capnp::Data::Reader secret) : place(place), secret(kj::heapArray(secret)) {}

  // Connects to the broker that the reference names, where its secret is safe on the way.
  kj::Own<kj::AsyncIoStream> connect(kj::AsyncIoContext& io) const {
    auto to = [&io](kj::StringPtr address) {
      return io.provider->getNetwork().parseAddress(address).wait(io.waitScope)->connect().wait(io.waitScope);
    };
    const std::string local = "sturdy+unix://", tcp = "sturdy://", hash = "sha-256:";
    if (place.rfind(local, 0) == 0) return to(kj::str("unix:", kj::decodeUriComponent(kj::StringPtr(place.c_str() + local.size()))));
    if (place.rfind(tcp, 0) != 0 || place.back() != '/') {
      throw std::runtime_error("not a sturdyref: neither sturdy+unix://PATH nor sturdy://HOST:PORT/");
    }
    std::string address = place.substr(tcp.size(), place.size() - tcp.size() - 1);
    auto at = address.find('@');
    if (at == std::string::npos) {
      if (address.rfind("127.0.0.1:", 0) == 0 || address.rfind("[::1]:", 0) == 0) return to(address.c_str());
      throw std::runtime_error("a reference without a key is for the loopback address only");
    }
    if (address.rfind(hash, 0) != 0) throw std::runtime_error("not a sturdyref: before the @ stands sha-256:KEY");
    auto key = fromBase64Url(address.substr(hash.size(), at - hash.size()));
    auto tls = kj::heap<Tls>(to(address.c_str() + at + 1), kj::mv(key));
    tls->handshake().wait(io.waitScope);
    return tls;
  }
};

Ref referenceNamed(const std::string& name, const char* path) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(name + " ", 0) == 0) return Ref(line.substr(name.size() + 1));
  }
  throw std::runtime_error("no such reference in the file");
}

void run(const char* file, const char* name) {
  Ref ref = referenceNamed(name, file);
  auto io = kj::setupAsyncIo();
  auto& wait = io.waitScope;
  auto connection = ref.connect(io);
  capnp::TwoPartyClient peer(*connection);
  auto gate = peer.bootstrap().castAs<Gate>();

  // Gives a promise of the object. Only the broker that a reference names is shown it.
  auto restore = [&](const Ref& shown) {
    if (shown.place != ref.place) throw std::runtime_error("this reference is for another broker");
    auto request = gate.restoreRequest();
    request.initRef().setSecret(shown.secret);
    return request.send().getCap().castAs<Account>();
  };
  auto balanceOf = [&](Account::Client account) { return account.balanceRequest().send().wait(wait).getCents(); };

  // Pipelined: the balance is asked for before the restore has returned.
  auto account = restore(ref);
  std::cout << "balance " << balanceOf(account) << std::endl;

  auto told = kj::newPromiseAndFulfiller<int64_t>();
  auto watch = account.watchRequest();
  watch.setWatcher(kj::heap<Recorder>(kj::mv(told.fulfiller)));
  auto watching = watch.send().wait(wait);
  auto deposit = account.depositRequest();
  deposit.setCents(1);
  deposit.setMemo("a client");
  deposit.send().wait(wait);
  std::cout << "booked " << told.promise.wait(wait) << std::endl;

  // A reference as strong as the account, for whoever knows it.
  auto delegable = capnp::Capability::Client(account).castAs<Delegable>();
  auto save = delegable.saveRequest();
  save.initSealFor().setAnyone();
  auto saved = save.send().wait(wait);
  std::cout << "restored " << balanceOf(restore(Ref(ref.place, saved.getSturdyRef().getSecret()))) << std::endl;

  // A weaker one, which can read the balance and no more, and the power to revoke it.
  auto attenuate = delegable.attenuateRequest();
  auto allowed = attenuate.initPolicy().getMethods().initOnly(1)[0];
  allowed.setInterface(capnp::typeId<Account>());
  allowed.initMethods(1).set(0, "balance");
  attenuate.setLabel("balance only");
  auto minted = attenuate.send().wait(wait);
  auto reader = minted.getCap().castAs<Account>();
  balanceOf(reader);
  minted.getGrant().revokeRequest().send().wait(wait);
  KJ_IF_MAYBE (error, kj::runCatchingExceptions([&]() { balanceOf(reader); })) {
    std::cout << "revoked" << std::endl;
  }
}

int main(int argc, char* argv[]) {
  if (argc != 3) {
    std::cerr << "usage: balance REFS NAME" << std::endl;
    return 2;
  }
  KJ_IF_MAYBE (error, kj::runCatchingExceptions([&]() { run(argv[1], argv[2]); })) {
    std::cerr << error->getDescription().cStr() << std::endl;
    return 1;
  }
}
