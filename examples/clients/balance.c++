// A client in C++: restores an account, reads its balance, and is told of its next entry by a callback.
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

std::string referenceNamed(const std::string& name, const char* path) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(name + " ", 0) == 0) return line.substr(name.size() + 1);
  }
  throw std::runtime_error("no such reference in the file");
}

int main(int, char* argv[]) {
  std::string ref = referenceNamed(argv[2], argv[1]);
  std::string place = ref.substr(0, ref.find('#')), secret = ref.substr(ref.find('#') + 1);
  // Base64url, as references are printed, for a decoder of plain base64.
  std::replace(secret.begin(), secret.end(), '-', '+');
  std::replace(secret.begin(), secret.end(), '_', '/');
  std::string address = place.rfind("sturdy+unix://", 0) == 0 ? "unix:" + place.substr(14)  // No %-escapes here.
                                                              : place.substr(9, place.size() - 10);

  auto io = kj::setupAsyncIo();
  auto& wait = io.waitScope;
  auto connection = io.provider->getNetwork().parseAddress(address.c_str()).wait(wait)->connect().wait(wait);
  capnp::TwoPartyClient peer(*connection);
  auto gate = peer.bootstrap().castAs<Gate>();

  auto restore = gate.restoreRequest();
  restore.initRef().setSecret(kj::decodeBase64(kj::StringPtr(secret.c_str())).asPtr());
  // Pipelined: the balance is asked for before the restore has returned.
  auto account = restore.send().getCap().castAs<Account>();
  std::cout << "balance " << account.balanceRequest().send().wait(wait).getCents() << std::endl;

  auto told = kj::newPromiseAndFulfiller<int64_t>();
  auto watch = account.watchRequest();
  watch.setWatcher(kj::heap<Recorder>(kj::mv(told.fulfiller)));
  auto watching = watch.send().wait(wait);
  auto deposit = account.depositRequest();
  deposit.setCents(1);
  deposit.setMemo("a client");
  deposit.send().wait(wait);
  std::cout << "booked " << told.promise.wait(wait) << std::endl;
}
