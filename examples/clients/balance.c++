// A client in C++: restores an account, reads its balance, is told of its next entry by a callback, saves the account,
// and hands out a weaker reference to it that it revokes.
//
// usage: balance REFS NAME
//
//   capnp compile -I schema --no-standard-import --src-prefix=schema -oc++:. schema/sturdy.capnp
//   capnp compile -I schema --no-standard-import --src-prefix=examples/ledger -oc++:. examples/ledger/ledger.capnp
//   g++ -std=c++17 -I. -x c++ balance.c++ sturdy.capnp.c++ ledger.capnp.c++ -lcapnp-rpc -lcapnp -lkj-async -lkj

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>
#include <kj/encoding.h>

#include <algorithm>
#include <fstream>
#include <iostream>
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

// A sturdyref: the place of a broker, and the secret that it restores.
struct Ref {
  std::string place;
  kj::Array<const kj::byte> secret;

  // No error says what the secret is.
  explicit Ref(const std::string& printed) : place(printed.substr(0, printed.find('#'))) {
    std::string text = printed.substr(std::min(place.size() + 1, printed.size()));
    // Base64url, as references are printed, for a decoder of plain base64.
    std::replace(text.begin(), text.end(), '-', '+');
    std::replace(text.begin(), text.end(), '_', '/');
    auto decoded = kj::decodeBase64(kj::StringPtr(text.c_str()));
    if (decoded.hadErrors || decoded.size() != 33 || decoded[0] != 1) {
      throw std::runtime_error("not a sturdyref: behind the # stand 33 bytes in base64url, the first of them a 1");
    }
    secret = kj::mv(decoded);
  }
  Ref(std::string place, capnp::Data::Reader secret) : place(place), secret(kj::heapArray(secret)) {}

  // Where to connect to, so that the secret is safe on the way.
  kj::String address() const {
    const std::string local = "sturdy+unix://", tcp = "sturdy://127.0.0.1:";
    if (place.rfind(local, 0) == 0) return kj::str("unix:", kj::decodeUriComponent(kj::StringPtr(place.c_str() + local.size())));
    // A broker that is known by its key (sturdy://sha-256:KEY@...) takes TLS to check.
    if (place.rfind(tcp, 0) == 0 && place.back() == '/') {
      return kj::str("127.0.0.1:", place.substr(tcp.size(), place.size() - tcp.size() - 1).c_str());
    }
    throw std::runtime_error("this program knows sturdy+unix://PATH and sturdy://127.0.0.1:PORT/ only");
  }
};

Ref referenceNamed(const std::string& name, const char* path) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(name + " ", 0) == 0) return Ref(line.substr(name.size() + 1));
  }
  throw std::runtime_error("no such reference in the file");
}

int main(int, char* argv[]) {
  Ref ref = referenceNamed(argv[2], argv[1]);
  auto io = kj::setupAsyncIo();
  auto& wait = io.waitScope;
  auto connection = io.provider->getNetwork().parseAddress(ref.address()).wait(wait)->connect().wait(wait);
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
