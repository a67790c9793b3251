// Talks to a broker as a C++ program would: Cap'n Proto's reference implementation, the classes that
// `capnp compile -oc++` makes of the committed schemas, and a file of references.
//
// usage: client REFS
//
// REFS has lines of a name and a printed reference: `operator`, `ledger` (all of the ledger's main object)
// and `alice` (one account). Prints one line a check, `ok NAME` or `not ok NAME: WHY`, and exits with 1
// where one was not ok. It never prints a reference.

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>
#include <kj/encoding.h>
#include <kj/filesystem.h>
#include <kj/map.h>
#include <unistd.h>

#include <cstdio>

#include "ledger.capnp.h"
#include "sturdy.capnp.h"

namespace {

using Type = kj::Exception::Type;

constexpr auto PATIENCE = 20 * kj::SECONDS;

// A callback: what the ledger tells it is kept, and `awaited` entries are waited for.
class Recorder final : public Watcher::Server {
 public:
  explicit Recorder(kj::Vector<int64_t>& told) : told(told) {}

 protected:
  kj::Promise<void> booked(BookedContext context) override {
    told.add(context.getParams().getEntry().getCents());
    return kj::READY_NOW;
  }

 private:
  kj::Vector<int64_t>& told;
};

class Client {
 private:
  kj::AsyncIoContext& io;
  Gate::Client gate;
  kj::HashMap<kj::String, kj::Array<kj::byte>> secrets;
  // Names of accounts that no other run has used begin with this.
  kj::String run;
  int opened = 0;
  int bad = 0;

  static uint64_t now() {
    return (kj::systemPreciseCalendarClock().now() - kj::UNIX_EPOCH) / kj::MICROSECONDS;
  }

  template <typename Body>
  void check(kj::StringPtr name, Body&& body) {
    KJ_IF_MAYBE (error, kj::runCatchingExceptions(body)) {
      bad++;
      printf("not ok %s: %s:%d: %s\n", name.cStr(), error->getFile(), error->getLine(),
             error->getDescription().cStr());
    } else {
      printf("ok %s\n", name.cStr());
    }
    fflush(stdout);
  }

  template <typename Promise>
  auto wait(Promise&& promise) {
    return io.provider->getTimer().timeoutAfter(PATIENCE, kj::mv(promise)).wait(io.waitScope);
  }

  void pause() { io.provider->getTimer().afterDelay(50 * kj::MILLISECONDS).wait(io.waitScope); }

  // The call ends with an exception of this type whose description contains `text`.
  template <typename Promise>
  void fails(Promise&& promise, Type type, kj::StringPtr text) {
    auto outcome = promise.then([](auto&&) { return kj::Maybe<kj::Exception>(nullptr); },
                                [](kj::Exception&& error) { return kj::Maybe<kj::Exception>(kj::mv(error)); });
    KJ_IF_MAYBE (error, wait(kj::mv(outcome))) {
      auto found = error->getDescription();
      KJ_REQUIRE(error->getType() == type && strstr(found.cStr(), text.cStr()) != nullptr,
                 "another exception than wanted", error->getType(), found, text);
    } else {
      KJ_FAIL_REQUIRE("it returned", text);
    }
  }

  kj::ArrayPtr<const kj::byte> secret(kj::StringPtr name) {
    return KJ_REQUIRE_NONNULL(secrets.find(name), "the file of references lacks one", name);
  }

  capnp::RemotePromise<Gate::RestoreResults> restoring(kj::ArrayPtr<const kj::byte> secret) {
    auto request = gate.restoreRequest();
    request.initRef().setSecret(secret);
    return request.send();
  }

  capnp::Capability::Client restore(kj::ArrayPtr<const kj::byte> secret) {
    return wait(restoring(secret)).getCap();
  }
  capnp::Capability::Client restore(kj::StringPtr name) { return restore(secret(name)); }

  kj::String lastName() { return kj::str(run, "-", opened); }

  // A new account with this much in it.
  Account::Client open(int64_t cents = 0) {
    opened++;
    auto request = restore("ledger").castAs<Ledger>().openRequest();
    request.setName(lastName());
    auto result = wait(request.send());
    KJ_REQUIRE(result.getIsNew());
    auto account = result.getAccount();
    if (cents > 0) deposit(account, cents);
    return account;
  }

  int64_t balance(Account::Client account) { return wait(account.balanceRequest().send()).getCents(); }

  void deposit(Account::Client account, int64_t cents) {
    auto request = account.depositRequest();
    request.setCents(cents);
    wait(request.send());
  }

  auto withdrawing(Account::Client account, int64_t cents)
      -> capnp::Request<Account::WithdrawParams, Account::WithdrawResults> {
    auto request = account.withdrawRequest();
    request.setCents(cents);
    return request;
  }

  auto transferring(Account::Client from, Account::Client to, int64_t cents)
      -> capnp::Request<Ledger::TransferParams, Ledger::TransferResults> {
    auto request = restore("ledger").castAs<Ledger>().transferRequest();
    request.setFrom(from);
    request.setTo(to);
    request.setCents(cents);
    return request;
  }

  // The policy that allows these methods of Account, as a request for a child grant.
  auto attenuating(capnp::Capability::Client cap, std::initializer_list<kj::StringPtr> methods)
      -> capnp::Request<Delegable::AttenuateParams, Delegable::AttenuateResults> {
    auto request = cap.castAs<Delegable>().attenuateRequest();
    auto allowed = request.initPolicy().getMethods().initOnly(1)[0];
    allowed.setInterface(capnp::typeId<Account>());
    auto names = allowed.initMethods(methods.size());
    unsigned i = 0;
    for (auto method : methods) names.set(i++, method);
    request.setLabel("reader");
    return request;
  }

  kj::Array<kj::byte> save(capnp::Capability::Client cap) {
    auto request = cap.castAs<Delegable>().saveRequest();
    request.initSealFor().setAnyone();
    return kj::heapArray<kj::byte>(wait(request.send()).getSturdyRef().getSecret());
  }

 public:
  Client(kj::AsyncIoContext& io, Gate::Client gate, kj::HashMap<kj::String, kj::Array<kj::byte>> secrets)
      : io(io), gate(kj::mv(gate)), secrets(kj::mv(secrets)), run(kj::str("cpp-", getpid(), "-", now())) {}

  // How many checks failed.
  int all() {
    check("restore and call", [this]() {
      auto alice = restore("alice").castAs<Account>();
      auto request = alice.statementRequest();
      request.initPage().setLimit(1);
      auto found = wait(request.send());
      KJ_REQUIRE(found.getName() == "alice");
      KJ_REQUIRE(balance(alice) == found.getClosing());
    });

    check("unknown reference", [this]() {
      kj::byte stranger[33];
      memset(stranger, 7, sizeof(stranger));
      stranger[0] = 1;
      for (size_t length : {33, 32, 0}) {
        fails(restoring(kj::arrayPtr(stranger, length)), Type::FAILED, "no such reference");
      }
    });

    check("pipeline", [this]() {
      // The restore, the search and the call on what it finds, before any of them has returned.
      auto found = restoring(secret("ledger")).getCap().castAs<Ledger>().findRequest();
      found.setName("alice");
      auto cents = found.send().getAccount().balanceRequest().send();
      KJ_REQUIRE(wait(kj::mv(cents)).getCents() == balance(restore("alice").castAs<Account>()));
    });

    check("values", [this]() {
      auto account = open();
      kj::byte attachment[256];
      for (int i = 0; i < 256; i++) attachment[i] = i;
      for (int attempt = 0; attempt < 2; attempt++) {
        // The second time the reference is known, and nothing is booked.
        auto request = account.depositRequest();
        request.setCents(1ll << 62);
        request.setMemo("Grüße, 世界 😀");
        request.setAttachment(kj::arrayPtr(attachment, 256));
        request.setReference("ref-1");
        auto made = wait(request.send());
        KJ_REQUIRE(made.getEntry().getNumber() == 1);
        KJ_REQUIRE(made.getEntry().getBalance() == 1ll << 62);
      }
      auto request = account.statementRequest();
      request.initPage().setAfter(0);
      auto found = wait(request.send());
      KJ_REQUIRE(found.getOpening() == 0 && found.getClosing() == 1ll << 62);
      KJ_REQUIRE(found.getEntries().size() == 1);
      auto entry = found.getEntries()[0];
      KJ_REQUIRE(entry.getKind() == Kind::DEPOSIT);
      KJ_REQUIRE(entry.getMemo() == "Grüße, 世界 😀");
      KJ_REQUIRE(entry.getAttachment() == kj::arrayPtr(attachment, 256));
      KJ_REQUIRE(entry.getReference() == "ref-1");
      KJ_REQUIRE(entry.getOther().isCash());
    });

    check("capabilities in a list", [this]() {
      auto account = open(250);
      auto name = lastName();
      auto request = restore("ledger").castAs<Ledger>().accountsRequest();
      request.setAfter(run);
      request.setLimit(1000);
      auto listed = wait(request.send());
      bool seen = false;
      for (auto summary : listed.getAccounts()) {
        if (summary.getName() != name) continue;
        seen = true;
        KJ_REQUIRE(summary.getBalance() == 250);
        deposit(summary.getAccount(), 50);
      }
      KJ_REQUIRE(seen);
      KJ_REQUIRE(balance(account) == 300);
    });

    check("transfer", [this]() {
      auto payer = open(1000);
      auto payee = open();
      auto sent = wait(transferring(payer, payee, 300).send());
      KJ_REQUIRE(sent.getEntry().getKind() == Kind::SENT);
      KJ_REQUIRE(sent.getEntry().getCents() == -300 && sent.getEntry().getBalance() == 700);
      KJ_REQUIRE(sent.getEntry().getOther().getAccount() == lastName());
      KJ_REQUIRE(balance(payee) == 300);
    });

    check("exceptions", [this]() {
      auto account = open(100);
      fails(withdrawing(account, 101).send(), Type::FAILED, "does not hold 1.01");
      auto negative = account.depositRequest();
      negative.setCents(-1);
      fails(negative.send(), Type::FAILED, "must be greater than 0");
      // A method that the object does not have.
      auto request = capnp::Capability::Client(account).castAs<Ledger>().findRequest();
      request.setName("alice");
      fails(request.send(), Type::UNIMPLEMENTED, "");
      KJ_REQUIRE(balance(account) == 100);
    });

    check("callback and holding past the call", [this]() {
      auto account = open();
      kj::Vector<int64_t> told;
      auto request = account.watchRequest();
      request.setWatcher(kj::heap<Recorder>(told));
      auto watch = wait(request.send()).getWatch();
      // The call that brought the watcher has returned, and the ledger still holds it.
      for (int64_t cents = 1; cents <= 3; cents++) deposit(account, cents);
      for (int i = 0; i < 100 && told.size() < 3; i++) pause();
      KJ_REQUIRE(told.size() == 3);
      for (int64_t cents = 1; cents <= 3; cents++) KJ_REQUIRE(told[cents - 1] == cents);
      wait(watch.stopRequest().send());
      deposit(account, 9);
      for (int i = 0; i < 4; i++) pause();
      KJ_REQUIRE(told.size() == 3);
    });

    check("a call that waits", [this]() {
      auto account = open();
      auto waiting = account.nextRequest().send();
      pause();
      KJ_REQUIRE(!waiting.poll(io.waitScope));
      deposit(account, 77);
      KJ_REQUIRE(wait(kj::mv(waiting)).getEntry().getCents() == 77);
    });

    check("save and restore", [this]() {
      auto account = open(500);
      auto saved = save(account);
      KJ_REQUIRE(saved.size() == 33 && saved[0] == 1);
      KJ_REQUIRE(balance(restore(saved).castAs<Account>()) == 500);
    });

    check("saving what has no id", [this]() {
      auto account = open();
      kj::Vector<int64_t> told;
      auto request = account.watchRequest();
      request.setWatcher(kj::heap<Recorder>(told));
      auto watch = wait(request.send()).getWatch();
      auto saving = capnp::Capability::Client(watch).castAs<Delegable>().saveRequest();
      fails(saving.send(), Type::FAILED, "");
      wait(watch.stopRequest().send());
    });

    check("attenuate", [this]() {
      auto account = open(500);
      auto other = open();
      auto minted = wait(attenuating(account, {"balance", "statement"}).send());
      auto restored = restore(minted.getRef().getSecret());
      Account::Client readers[] = {minted.getCap().castAs<Account>(), restored.castAs<Account>()};
      for (auto& reader : readers) {
        KJ_REQUIRE(balance(reader) == 500);
        fails(withdrawing(reader, 1).send(), Type::FAILED, "withdraw");
        // Read-only stays read-only where it is passed to the domain that made it.
        fails(transferring(reader, other, 1).send(), Type::FAILED, "does not allow Account.withdraw");
      }
      KJ_REQUIRE(balance(account) == 500);
    });

    check("no amplification", [this]() {
      auto account = open(500);
      auto minted = wait(attenuating(account, {"balance"}).send());
      // A child of a read-only grant is read-only, whatever it asks for.
      auto request = minted.getCap().castAs<Delegable>().attenuateRequest();
      request.initPolicy().getMethods().setAll();
      auto child = wait(request.send()).getCap().castAs<Account>();
      fails(withdrawing(child, 1).send(), Type::FAILED, "withdraw");
      KJ_REQUIRE(balance(child) == 500);
    });

    check("revoke", [this]() {
      auto account = open(500);
      auto request = capnp::Capability::Client(account).castAs<Delegable>().attenuateRequest();
      request.initPolicy();
      request.setLabel("for a while");
      auto minted = wait(request.send());
      auto live = restore(minted.getRef().getSecret()).castAs<Account>();
      auto child = save(live);
      KJ_REQUIRE(balance(live) == 500);
      auto next = live.nextRequest();
      next.setAfter(1);
      auto waiting = next.send();
      pause();
      KJ_REQUIRE(wait(minted.getGrant().revokeRequest().send()).getRevoked() == 2);
      fails(kj::mv(waiting), Type::FAILED, "revoked");
      fails(live.balanceRequest().send(), Type::FAILED, "revoked");
      fails(restoring(minted.getRef().getSecret()), Type::FAILED, "no such reference");
      fails(restoring(child), Type::FAILED, "no such reference");
      // What the grant was minted from is as good as ever.
      KJ_REQUIRE(balance(account) == 500);
    });

    check("a domain that is stopped", [this]() {
      auto alice = restore("alice").castAs<Account>();
      auto before = balance(alice);
      auto operating = restore("operator").castAs<Operator>();
      auto request = operating.stopRequest();
      request.setDomain("ledger");
      wait(request.send());
      fails(alice.balanceRequest().send(), Type::DISCONNECTED, "");
      KJ_REQUIRE(balance(restore("alice").castAs<Account>()) == before);
      auto listed = wait(operating.domainsRequest().send());
      for (auto domain : listed.getDomains()) {
        if (domain.getName() == "ledger") KJ_REQUIRE(domain.getState() == DomainInfo::State::RUNNING);
      }
    });

    return bad;
  }
};

// `sturdy+unix:///PATH` or `sturdy://HOST:PORT/`, as kj names addresses.
kj::String kjAddress(kj::StringPtr address) {
  constexpr kj::StringPtr UNIX = "sturdy+unix://"_kj, TCP = "sturdy://"_kj;
  if (address.startsWith(UNIX)) {
    auto path = kj::decodeUriComponent(address.slice(UNIX.size()));
    return kj::str("unix:", path);
  }
  KJ_REQUIRE(address.startsWith(TCP) && address.endsWith("/"), "not an address", address);
  return kj::str(address.slice(TCP.size(), address.size() - 1));
}

kj::Array<kj::byte> fromBase64Url(kj::StringPtr text) {
  auto plain = kj::str(text);
  for (char& letter : plain) letter = letter == '-' ? '+' : letter == '_' ? '/' : letter;
  return kj::decodeBase64(plain);
}

int run(kj::StringPtr path) {
  auto disk = kj::newDiskFilesystem();
  auto text = disk->getRoot().openFile(disk->getCurrentPath().evalNative(path))->readAllText();

  kj::HashMap<kj::String, kj::Array<kj::byte>> secrets;
  kj::String address;
  size_t at = 0;
  while (at < text.size()) {
    size_t end = at;
    while (end < text.size() && text[end] != '\n') end++;
    auto line = kj::heapString(text.slice(at, end));
    at = end + 1;
    auto space = KJ_REQUIRE_NONNULL(line.findFirst(' '), "a line of the file of references is malformed");
    auto hash = KJ_REQUIRE_NONNULL(line.findFirst('#'), "a reference is malformed");
    secrets.insert(kj::heapString(line.slice(0, space)), fromBase64Url(line.slice(hash + 1)));
    address = kj::heapString(line.slice(space + 1, hash));
  }

  auto io = kj::setupAsyncIo();
  auto connection =
      io.provider->getNetwork().parseAddress(kjAddress(address)).wait(io.waitScope)->connect().wait(io.waitScope);
  capnp::TwoPartyClient peer(*connection);
  Client client(io, peer.bootstrap().castAs<Gate>(), kj::mv(secrets));
  return client.all();
}

}  // namespace

int main(int argc, char* argv[]) {
  if (argc != 2) {
    fprintf(stderr, "usage: client REFS\n");
    return 2;
  }
  int bad = 1;
  KJ_IF_MAYBE (error, kj::runCatchingExceptions([&]() { bad = run(argv[1]); })) {
    printf("not ok connect: %s\n", error->getDescription().cStr());
    bad = 1;
  }
  return bad == 0 ? 0 : 1;
}
