// A C++ program that is a peer of others, by Cap'n Proto's reference implementation: it serves the `Peer` of
// peer.capnp, or runs the list of checks.ts against whoever serves one.
//
// usage: peer serve SOCKET       serves on a unix socket, and prints `ready`
//        peer join REFS NAME     serves through a broker: plugs itself in at its switchboard, and prints `ready`
//        peer check REFS [NAME]  runs the list against the reference `peer`, or who is at the switchboard as NAME
//
// REFS has lines of a name and a printed reference. No reference is ever printed.

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>
#include <kj/encoding.h>
#include <kj/filesystem.h>
#include <kj/map.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <vector>

#include "peer.capnp.h"
#include "sturdy.capnp.h"

namespace {

using Type = kj::Exception::Type;

constexpr uint32_t MEBIBYTE = 1024 * 1024;
constexpr uint32_t LARGE = 64 * MEBIBYTE;
// More than any side takes.
constexpr uint32_t TOO_LARGE = 96 * MEBIBYTE;
constexpr auto PATIENCE = 20 * kj::SECONDS;

// What this side takes. The library's own limit is 64 MiB, envelope and all.
capnp::ReaderOptions taken() {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = 80 * MEBIBYTE / sizeof(capnp::word);
  return options;
}

kj::String library() {
  return kj::str("libcapnp ", CAPNP_VERSION / 1000000, ".", CAPNP_VERSION / 1000 % 1000, ".", CAPNP_VERSION % 1000);
}

kj::Exception exceptionOf(ErrorType type, kj::StringPtr message) {
  return kj::Exception(static_cast<Type>(type), __FILE__, __LINE__, kj::str(message));
}

// ---- The sample. --------------------------------------------------------------------------------------------------

template <typename List, typename Value>
void fill(List list, std::initializer_list<Value> values) {
  unsigned i = 0;
  for (auto& value : values) list.set(i++, value);
}

const double INFINITE = std::numeric_limits<double>::infinity();
const float SMALLEST_FLOAT = std::numeric_limits<float>::denorm_min(), LARGEST_FLOAT = std::numeric_limits<float>::max();
const double SMALLEST = std::numeric_limits<double>::denorm_min(), LARGEST = std::numeric_limits<double>::max();

// Everything but the capabilities.
void makeSample(Every::Builder value) {
  value.setNothing();
  value.setYes(true);
  value.setI8(INT8_MIN);
  value.setI16(INT16_MIN);
  value.setI32(INT32_MIN);
  value.setI64(INT64_MIN);
  value.setU8(UINT8_MAX);
  value.setU16(UINT16_MAX);
  value.setU32(UINT32_MAX);
  value.setU64(UINT64_MAX);
  value.setF32(1.5f);
  value.setF64(-0.1);
  value.setText("Grüße, 世界 😀");
  auto data = value.initData(256);
  for (unsigned i = 0; i < 256; i++) data[i] = i;
  value.setColour(Colour::BLUE);
  auto inner = value.initInner();
  inner.setName("outer");
  inner.initInner().setName("inner");
  value.initNothings(3);
  fill(value.initBools(9), {true, false, true, true, false, false, false, true, true});
  fill<capnp::List<int8_t>::Builder, int8_t>(value.initI8s(4), {INT8_MIN, -1, 0, INT8_MAX});
  fill<capnp::List<int16_t>::Builder, int16_t>(value.initI16s(4), {INT16_MIN, -1, 0, INT16_MAX});
  fill<capnp::List<int32_t>::Builder, int32_t>(value.initI32s(4), {INT32_MIN, -1, 0, INT32_MAX});
  fill<capnp::List<int64_t>::Builder, int64_t>(value.initI64s(4), {INT64_MIN, -1, 0, INT64_MAX});
  fill<capnp::List<uint8_t>::Builder, uint8_t>(value.initU8s(3), {0, 1, UINT8_MAX});
  fill<capnp::List<uint16_t>::Builder, uint16_t>(value.initU16s(3), {0, 1, UINT16_MAX});
  fill<capnp::List<uint32_t>::Builder, uint32_t>(value.initU32s(3), {0, 1, UINT32_MAX});
  fill<capnp::List<uint64_t>::Builder, uint64_t>(value.initU64s(3), {0, 1, UINT64_MAX});
  fill<capnp::List<float>::Builder, float>(value.initF32s(5), {-float(INFINITE), -0.0f, SMALLEST_FLOAT, LARGEST_FLOAT, NAN});
  fill<capnp::List<double>::Builder, double>(value.initF64s(5), {-INFINITE, -0.0, SMALLEST, LARGEST, NAN});
  auto texts = value.initTexts(3);
  texts.set(0, "");
  texts.set(1, "a");
  texts.set(2, "Ω");
  auto datas = value.initDatas(3);
  datas.init(0, 0);
  datas.init(1, 1)[0] = 0;
  auto last = datas.init(2, 3);
  last[0] = 255, last[1] = 0, last[2] = 1;
  fill(value.initColours(3), {Colour::RED, Colour::BLUE, Colour::GREEN});
  auto inners = value.initInners(2);
  inners[0].setName("first");
  inners[1].setName("second");
  auto lists = value.initLists(3);
  lists.init(0, 0);
  lists.init(1, 1).set(0, 1);
  lists.init(2, 2).set(0, 2);
  lists[2].set(1, 65535);
  value.getGroup().setLeft(7);
  value.getGroup().setRight("right");
  value.setWord("the active one");
  value.setPreset(42);
}

template <typename Value>
bool same(Value found, Value wanted) {
  return found == wanted;
}
template <>
bool same(float found, float wanted) {
  return std::isnan(wanted) ? std::isnan(found) : memcmp(&found, &wanted, sizeof(found)) == 0;
}
template <>
bool same(double found, double wanted) {
  return std::isnan(wanted) ? std::isnan(found) : memcmp(&found, &wanted, sizeof(found)) == 0;
}

template <typename List>
void checkList(kj::StringPtr name, List found, List wanted) {
  KJ_REQUIRE(found.size() == wanted.size(), name, found.size());
  for (unsigned i = 0; i < found.size(); i++) KJ_REQUIRE(same(found[i], wanted[i]), name, i, found[i], wanted[i]);
}

// Compares with the sample, all but the capabilities.
void checkSample(Every::Reader found) {
  capnp::MallocMessageBuilder message;
  auto built = message.initRoot<Every>();
  makeSample(built);
  auto wanted = built.asReader();
#define CHECK_ONE(get) KJ_REQUIRE(same(found.get(), wanted.get()), #get, found.get(), wanted.get())
  CHECK_ONE(getYes);
  CHECK_ONE(getI8);
  CHECK_ONE(getI16);
  CHECK_ONE(getI32);
  CHECK_ONE(getI64);
  CHECK_ONE(getU8);
  CHECK_ONE(getU16);
  CHECK_ONE(getU32);
  CHECK_ONE(getU64);
  CHECK_ONE(getF32);
  CHECK_ONE(getF64);
  CHECK_ONE(getText);
  CHECK_ONE(getData);
  CHECK_ONE(getColour);
  CHECK_ONE(getPreset);
  CHECK_ONE(getPresetText);
  CHECK_ONE(getInner().getName);
  CHECK_ONE(getInner().getInner().getName);
  KJ_REQUIRE(!found.getInner().getInner().hasInner());
  CHECK_ONE(getNothings().size);
#define CHECK_LIST(get) checkList(#get, found.get(), wanted.get())
  CHECK_LIST(getBools);
  CHECK_LIST(getI8s);
  CHECK_LIST(getI16s);
  CHECK_LIST(getI32s);
  CHECK_LIST(getI64s);
  CHECK_LIST(getU8s);
  CHECK_LIST(getU16s);
  CHECK_LIST(getU32s);
  CHECK_LIST(getU64s);
  CHECK_LIST(getF32s);
  CHECK_LIST(getF64s);
  CHECK_LIST(getTexts);
  CHECK_LIST(getDatas);
  CHECK_LIST(getColours);
  CHECK_ONE(getInners().size);
  for (unsigned i = 0; i < 2; i++) CHECK_ONE(getInners()[i].getName);
  CHECK_ONE(getLists().size);
  for (unsigned i = 0; i < 3; i++) checkList("getLists", found.getLists()[i], wanted.getLists()[i]);
  CHECK_ONE(getGroup().getLeft);
  CHECK_ONE(getGroup().getRight);
  KJ_REQUIRE(found.isWord());
  CHECK_ONE(getWord);
  KJ_REQUIRE(found.getAnything().getAs<Inner>().getName() == "anything");
}

// The bytes 0 to 250, over and over.
void makePattern(capnp::Data::Builder data) {
  for (size_t i = 0; i < data.size(); i++) data[i] = i % 251;
}
bool isPattern(capnp::Data::Reader data) {
  for (size_t i = 0; i < data.size(); i++) {
    if (data[i] != i % 251) return false;
  }
  return true;
}

// ---- The server. --------------------------------------------------------------------------------------------------

struct State {
  uint32_t hanging = 0, cancelled = 0, live = 0;
};

// Lives as long as a call that hangs.
struct Hanging {
  State& state;
  explicit Hanging(State& state) : state(state) { state.hanging++; }
  ~Hanging() {
    state.hanging--;
    state.cancelled++;
  }
};

// An object that is counted while it lives.
class Made final : public Callback::Server {
 public:
  explicit Made(State& state) : state(state) { state.live++; }
  ~Made() { state.live--; }

 protected:
  kj::Promise<void> call(CallContext context) override {
    context.getResults().setAnswer(context.getParams().getNumber());
    return kj::READY_NOW;
  }

 private:
  State& state;
};

class LinkAt final : public Link::Server {
 public:
  explicit LinkAt(uint32_t at) : at(at) {}

 protected:
  kj::Promise<void> next(NextContext context) override {
    Link::Client link = kj::heap<LinkAt>(at + 1);
    context.getResults().setLink(link);
    context.getResults().initNested().initDeeper().setLink(link);
    return kj::READY_NOW;
  }
  kj::Promise<void> depth(DepthContext context) override {
    context.getResults().setDepth(at);
    return kj::READY_NOW;
  }

 private:
  uint32_t at;
};

class SinkServer final : public Sink::Server {
 protected:
  kj::Promise<void> write(WriteContext context) override {
    auto params = context.getParams();
    inOrder = inOrder && params.getNumber() == writes;
    writes++;
    bytes += params.getData().size();
    return kj::READY_NOW;
  }
  kj::Promise<void> done(DoneContext context) override {
    context.getResults().setWrites(writes);
    context.getResults().setBytes(bytes);
    context.getResults().setInOrder(inOrder);
    return kj::READY_NOW;
  }

 private:
  uint32_t writes = 0;
  uint64_t bytes = 0;
  bool inOrder = true;
};

class SavedServer final : public Saved::Server {
 public:
  explicit SavedServer(kj::StringPtr called) : called(kj::str(called)) {}

 protected:
  kj::Promise<void> name(NameContext context) override {
    context.getResults().setName(called);
    return kj::READY_NOW;
  }
  kj::Promise<void> save(SaveContext context) override {
    context.getResults().initSturdyRef().setSecret(kj::str("saved:", called).asBytes());
    return kj::READY_NOW;
  }

 private:
  kj::String called;
};

class PeerServer final : public Peer::Server {
 protected:
  kj::Promise<void> describe(DescribeContext context) override {
    context.getResults().setLanguage("C++");
    context.getResults().setLibrary(library());
    return kj::READY_NOW;
  }

  kj::Promise<void> echo(EchoContext context) override {
    auto given = context.getParams().getValue();
    checkSample(given);
    auto value = context.getResults().initValue();
    makeSample(value);
    value.setCallback(given.getCallback());
    auto callbacks = value.initCallbacks(given.getCallbacks().size());
    for (unsigned i = 0; i < callbacks.size(); i++) callbacks.set(i, given.getCallbacks()[i]);
    value.getAnything().initAs<Inner>().setName("anything");
    value.setAnyCapability(given.getAnyCapability());
    return kj::READY_NOW;
  }

  kj::Promise<void> link(LinkContext context) override {
    context.getResults().setLink(kj::heap<LinkAt>(0));
    return kj::READY_NOW;
  }

  kj::Promise<void> callBack(CallBackContext context) override {
    context.getResults().initAnswers(context.getParams().getTimes());
    return callFrom(0, context);
  }

  kj::Promise<void> keep(KeepContext context) override {
    kept = context.getParams().getCallback();
    return kj::READY_NOW;
  }
  kj::Promise<void> tell(TellContext context) override {
    auto request = KJ_REQUIRE_NONNULL(kept, "nothing was kept").callRequest();
    request.setNumber(context.getParams().getNumber());
    return request.send().then([context](auto&& results) mutable { context.getResults().setAnswer(results.getAnswer()); });
  }
  kj::Promise<void> drop(DropContext) override {
    kept = nullptr;
    return kj::READY_NOW;
  }

  kj::Promise<void> bounce(BounceContext context) override {
    auto left = context.getParams().getLeft();
    if (left == 0) return kj::READY_NOW;
    auto request = context.getParams().getBouncer().bounceRequest();
    request.setPeer(thisCap());
    request.setLeft(left - 1);
    return request.send().then(
        [context](auto&& results) mutable { context.getResults().setBounces(results.getBounces() + 1); });
  }

  kj::Promise<void> reflect(ReflectContext context) override {
    context.getResults().setCallback(context.getParams().getCallback());
    return kj::READY_NOW;
  }

  kj::Promise<void> later(LaterContext context) override {
    context.getResults().setCallback(context.getParams().getSource().giveRequest().send().getCallback());
    return kj::READY_NOW;
  }

  kj::Promise<void> fail(FailContext context) override {
    return exceptionOf(context.getParams().getType(), context.getParams().getMessage());
  }

  kj::Promise<void> relay(RelayContext context) override {
    auto params = context.getParams();
    auto request = params.getThrower().failRequest();
    request.setType(params.getType());
    request.setMessage(params.getMessage());
    return request.send().ignoreResult();
  }

  kj::Promise<void> forward(ForwardContext context) override {
    return context.tailCall(context.getParams().getLink().nextRequest());
  }

  kj::Promise<void> hang(HangContext context) override {
    context.allowCancellation();
    return kj::Promise<void>(kj::NEVER_DONE).attach(kj::heap<Hanging>(state));
  }

  kj::Promise<void> counts(CountsContext context) override {
    auto counts = context.getResults().initCounts();
    counts.setHanging(state.hanging);
    counts.setCancelled(state.cancelled);
    counts.setLive(state.live);
    counts.setWaiting(waiting.size());
    return kj::READY_NOW;
  }

  kj::Promise<void> make(MakeContext context) override {
    auto made = context.getResults().initMade(context.getParams().getCount());
    for (unsigned i = 0; i < made.size(); i++) made.set(i, kj::heap<Made>(state));
    return kj::READY_NOW;
  }
  kj::Promise<void> same(SameContext context) override {
    Callback::Client one = kj::heap<Made>(state);
    auto made = context.getResults().initMade(context.getParams().getCount());
    for (unsigned i = 0; i < made.size(); i++) made.set(i, one);
    return kj::READY_NOW;
  }

  kj::Promise<void> blob(BlobContext context) override {
    makePattern(context.getResults().initData(context.getParams().getSize()));
    return kj::READY_NOW;
  }
  kj::Promise<void> take(TakeContext context) override {
    auto data = context.getParams().getData();
    context.getResults().setSize(data.size());
    context.getResults().setIntact(isPattern(data));
    return kj::READY_NOW;
  }

  kj::Promise<void> wait(WaitContext context) override {
    auto opening = kj::newPromiseAndFulfiller<uint32_t>();
    waiting.add(kj::mv(opening.fulfiller));
    return opening.promise.then([context](uint32_t place) mutable { context.getResults().setPlace(place); });
  }
  kj::Promise<void> open(OpenContext context) override {
    auto opened = kj::mv(waiting);
    waiting = {};
    uint32_t place = 0;
    for (auto& each : opened) each->fulfill(place++);
    context.getResults().setOpened(opened.size());
    return kj::READY_NOW;
  }

  kj::Promise<void> sink(SinkContext context) override {
    context.getResults().setSink(kj::heap<SinkServer>());
    return kj::READY_NOW;
  }

  kj::Promise<void> save(SaveContext context) override {
    context.getResults().setSaved(kj::heap<SavedServer>(context.getParams().getName()));
    return kj::READY_NOW;
  }

  kj::Promise<void> exit(ExitContext) override { _exit(0); }

 private:
  State state;
  kj::Maybe<Callback::Client> kept;
  kj::Vector<kj::Own<kj::PromiseFulfiller<uint32_t>>> waiting;

  kj::Promise<void> callFrom(uint32_t number, CallBackContext context) {
    if (number == context.getParams().getTimes()) return kj::READY_NOW;
    auto request = context.getParams().getCallback().callRequest();
    request.setNumber(number);
    return request.send().then([this, number, context](auto&& results) mutable {
      context.getResults().getAnswers().set(number, results.getAnswer());
      return callFrom(number + 1, context);
    });
  }
};

class GateServer final : public Gate::Server {
 protected:
  kj::Promise<void> restore(RestoreContext context) override {
    auto secret = kj::str(context.getParams().getRef().getSecret().asChars());
    auto results = context.getResults();
    if (secret == "peer") {
      results.setCap(peer);
    } else if (secret.startsWith("saved:")) {
      results.setCap(Saved::Client(kj::heap<SavedServer>(secret.slice(strlen("saved:")))));
    } else {
      KJ_FAIL_REQUIRE("no such reference");
    }
    return kj::READY_NOW;
  }

 private:
  Peer::Client peer = kj::heap<PeerServer>();
};

using System = capnp::RpcSystem<capnp::rpc::twoparty::VatId>;

// One connection of somebody's to the server.
struct Accepted {
  kj::Own<kj::AsyncIoStream> stream;
  capnp::TwoPartyVatNetwork network;
  System system;

  Accepted(kj::Own<kj::AsyncIoStream> given, Gate::Client gate)
      : stream(kj::mv(given)),
        network(*stream, capnp::rpc::twoparty::Side::SERVER, taken()),
        system(capnp::makeRpcServer(network, kj::mv(gate))) {}
};

class Listening final : public kj::TaskSet::ErrorHandler {
 public:
  explicit Listening(kj::Own<kj::ConnectionReceiver> receiver) : receiver(kj::mv(receiver)), tasks(*this) {}

  kj::Promise<void> forever() {
    return receiver->accept().then([this](kj::Own<kj::AsyncIoStream> stream) {
      auto accepted = kj::heap<Accepted>(kj::mv(stream), gate);
      auto end = accepted->network.onDisconnect();
      tasks.add(end.attach(kj::mv(accepted)));
      return forever();
    });
  }

  // A connection that ends in an error is no concern of the others.
  void taskFailed(kj::Exception&&) override {}

 private:
  kj::Own<kj::ConnectionReceiver> receiver;
  Gate::Client gate = kj::heap<GateServer>();
  kj::TaskSet tasks;
};

void say(kj::StringPtr line) {
  printf("%s\n", line.cStr());
  fflush(stdout);
}

void serve(kj::StringPtr path) {
  auto io = kj::setupAsyncIo();
  auto address = io.provider->getNetwork().parseAddress(kj::str("unix:", path)).wait(io.waitScope);
  Listening listening(address->listen());
  say("ready");
  listening.forever().wait(io.waitScope);
}

// ---- The client. --------------------------------------------------------------------------------------------------

struct Refs {
  kj::String path;
  kj::HashMap<kj::String, kj::Array<kj::byte>> secrets;

  explicit Refs(kj::StringPtr file) {
    auto disk = kj::newDiskFilesystem();
    auto text = disk->getRoot().openFile(disk->getCurrentPath().evalNative(file))->readAllText();
    size_t at = 0;
    while (at < text.size()) {
      size_t end = at;
      while (end < text.size() && text[end] != '\n') end++;
      auto line = kj::heapString(text.slice(at, end));
      at = end + 1;
      auto space = KJ_REQUIRE_NONNULL(line.findFirst(' '), "a line of the file of references is malformed");
      auto hash = KJ_REQUIRE_NONNULL(line.findFirst('#'), "a reference is malformed");
      // Base64url, as references are printed, for a decoder of plain base64.
      auto secret = kj::heapString(line.slice(hash + 1));
      for (char& letter : secret) letter = letter == '-' ? '+' : letter == '_' ? '/' : letter;
      secrets.insert(kj::heapString(line.slice(0, space)), kj::decodeBase64(secret));
      auto place = kj::heapString(line.slice(space + 1 + strlen("sturdy+unix://"), hash));
      path = kj::str(kj::decodeUriComponent(place));
    }
  }

  bool has(kj::StringPtr name) const { return secrets.find(name) != nullptr; }
  kj::ArrayPtr<const kj::byte> secret(kj::StringPtr name) const {
    return KJ_REQUIRE_NONNULL(secrets.find(name), "the file of references lacks one", name);
  }
};

// A connection of ours.
struct Connected {
  kj::Own<kj::AsyncIoStream> stream;
  capnp::TwoPartyVatNetwork network;
  System system;
  Gate::Client gate;

  explicit Connected(kj::Own<kj::AsyncIoStream> given)
      : stream(kj::mv(given)),
        network(*stream, capnp::rpc::twoparty::Side::CLIENT, taken()),
        system(capnp::makeRpcClient(network)),
        gate(bootstrap()) {}

  static kj::Own<Connected> to(const Refs& refs, kj::AsyncIoContext& io) {
    auto address = io.provider->getNetwork().parseAddress(kj::str("unix:", refs.path)).wait(io.waitScope);
    return kj::heap<Connected>(address->connect().wait(io.waitScope));
  }

  // What the reference restores to: a promise of it.
  capnp::Capability::Client restore(kj::ArrayPtr<const kj::byte> secret) {
    auto request = gate.restoreRequest();
    request.initRef().setSecret(secret);
    return request.send().getCap();
  }

 private:
  Gate::Client bootstrap() {
    capnp::MallocMessageBuilder message(8);
    auto host = message.initRoot<capnp::rpc::twoparty::VatId>();
    host.setSide(capnp::rpc::twoparty::Side::SERVER);
    return system.bootstrap(host).castAs<Gate>();
  }
};

void join(kj::StringPtr file, kj::StringPtr name) {
  Refs refs(file);
  auto io = kj::setupAsyncIo();
  Peer::Client peer = kj::heap<PeerServer>();
  for (bool first = true;; first = false) {
    auto connected = Connected::to(refs, io);
    auto request = connected->restore(refs.secret("switchboard")).castAs<Switchboard>().plugRequest();
    request.setName(name);
    request.setPeer(peer);
    request.send().wait(io.waitScope);
    if (first) say("ready");
    connected->network.onDisconnect().wait(io.waitScope);
  }
}

// An object of this side: it remembers the numbers, and whether it was let go.
class Own final : public Callback::Server {
 public:
  explicit Own(std::vector<uint32_t>& numbers, bool* released = nullptr) : numbers(numbers), released(released) {}
  ~Own() {
    if (released != nullptr) *released = true;
  }

 protected:
  kj::Promise<void> call(CallContext context) override {
    auto number = context.getParams().getNumber();
    numbers.push_back(number);
    context.getResults().setAnswer(number + 1000);
    return kj::READY_NOW;
  }

 private:
  std::vector<uint32_t>& numbers;
  bool* released;
};

class SourceServer final : public Source::Server {
 public:
  SourceServer(Callback::Client callback, kj::Promise<void> given) : callback(kj::mv(callback)), given(given.fork()) {}

 protected:
  kj::Promise<void> give(GiveContext context) override {
    return given.addBranch().then([this, context]() mutable { context.getResults().setCallback(callback); });
  }

 private:
  Callback::Client callback;
  kj::ForkedPromise<void> given;
};

class ThrowerServer final : public Thrower::Server {
 protected:
  kj::Promise<void> fail(FailContext context) override {
    return exceptionOf(context.getParams().getType(), context.getParams().getMessage());
  }
};

class BouncerServer final : public Bouncer::Server {
 protected:
  kj::Promise<void> bounce(BounceContext context) override {
    auto left = context.getParams().getLeft();
    if (left == 0) return kj::READY_NOW;
    auto request = context.getParams().getPeer().bounceRequest();
    request.setBouncer(thisCap());
    request.setLeft(left - 1);
    return request.send().then(
        [context](auto&& results) mutable { context.getResults().setBounces(results.getBounces() + 1); });
  }
};

std::vector<uint32_t> range(uint32_t length) {
  std::vector<uint32_t> made;
  for (uint32_t i = 0; i < length; i++) made.push_back(i);
  return made;
}

struct Counted {
  uint32_t hanging, cancelled, live, waiting;
};

class Client {
 private:
  using Calling = capnp::RemotePromise<Callback::CallResults>;

  const Refs& refs;
  kj::StringPtr name;
  kj::AsyncIoContext& io;
  kj::Own<Connected> connection;
  kj::HashMap<kj::String, kj::String> cannot;
  int bad = 0;

  template <typename Body>
  void check(kj::StringPtr check, Body&& body) {
    kj::Maybe<kj::String> failed;
    KJ_IF_MAYBE (error, kj::runCatchingExceptions(body)) {
      failed = kj::str(error->getFile(), ":", error->getLine(), ": ", error->getDescription());
    }
    KJ_IF_MAYBE (why, cannot.find(check)) {
      if (failed == nullptr) return notOk(check, kj::str("passed, though ", *why));
      // Nothing worse has happened than what was said.
      counts();
      return say(kj::str("cannot ", check, ": ", *why));
    }
    KJ_IF_MAYBE (error, failed) {
      if (strstr(error->cStr(), "cannot be saved") != nullptr) {
        return say(kj::str("cannot ", check, ": what is saved through a broker must be an object of its domain"));
      }
      return notOk(check, kj::mv(*error));
    }
    say(kj::str("ok ", check));
  }

  void notOk(kj::StringPtr check, kj::String why) {
    bad++;
    for (char& letter : why) letter = letter == '\n' ? ' ' : letter;
    say(kj::str("not ok ", check, ": ", why));
  }

  template <typename Promise>
  auto waitFor(Promise&& promise) {
    return io.provider->getTimer().timeoutAfter(PATIENCE, kj::mv(promise)).wait(io.waitScope);
  }

  void pause(kj::Duration time) { io.provider->getTimer().afterDelay(time).wait(io.waitScope); }

  template <typename Holds>
  void eventually(kj::StringPtr what, Holds&& holds) {
    auto& timer = io.provider->getTimer();
    auto end = timer.now() + PATIENCE;
    while (!holds()) {
      KJ_REQUIRE(timer.now() < end, "not in time", what);
      pause(10 * kj::MILLISECONDS);
    }
  }

  // The call ends with an exception.
  template <typename Promise>
  kj::Exception failure(Promise&& promise) {
    auto outcome = promise.then([](auto&&) { return kj::Maybe<kj::Exception>(nullptr); },
                                [](kj::Exception&& error) { return kj::Maybe<kj::Exception>(kj::mv(error)); });
    return KJ_REQUIRE_NONNULL(waitFor(kj::mv(outcome)), "it returned");
  }

  template <typename Promise>
  void fails(Promise&& promise, Type type, kj::StringPtr text) {
    auto error = failure(kj::mv(promise));
    auto found = error.getDescription();
    KJ_REQUIRE(error.getType() == type && strstr(found.cStr(), text.cStr()) != nullptr, "another exception than wanted",
               error.getType(), found, text);
  }

  void throws(ErrorType type, kj::StringPtr typeName) {
    auto text = kj::str("Größe: ", typeName, " 😀");
    auto request = peer().failRequest();
    request.setType(type);
    request.setMessage(text);
    fails(request.send(), static_cast<Type>(type), text);
    counts();
  }

  // The peer, on this connection: a promise of it.
  Peer::Client on(Connected& connected) {
    if (refs.has("peer")) return connected.restore(refs.secret("peer")).castAs<Peer>();
    auto request = connected.restore(refs.secret("switchboard")).castAs<Switchboard>().findRequest();
    request.setName(name);
    return request.send().getPeer();
  }
  Peer::Client peer() { return on(*connection); }

  // On a new connection it can be reached, if need be after a while: who was cut off has to come back first.
  void reachedAnew() {
    auto connected = Connected::to(refs, io);
    eventually("a new connection reaches it", [&]() {
      auto reached = on(*connected).describeRequest().send().then([](auto&&) { return true; },
                                                                  [](kj::Exception&&) { return false; });
      return waitFor(kj::mv(reached));
    });
  }

  Counted counts() {
    auto results = waitFor(peer().countsRequest().send());
    auto counts = results.getCounts();
    return {counts.getHanging(), counts.getCancelled(), counts.getLive(), counts.getWaiting()};
  }

  Calling call(Callback::Client callback, uint32_t number) {
    auto request = callback.callRequest();
    request.setNumber(number);
    return request.send();
  }

  void keep(Callback::Client callback) {
    auto request = peer().keepRequest();
    request.setCallback(kj::mv(callback));
    waitFor(request.send());
  }
  capnp::RemotePromise<Peer::TellResults> tell(uint32_t number) {
    auto request = peer().tellRequest();
    request.setNumber(number);
    return request.send();
  }

  kj::Vector<Callback::Client> makeThem(uint32_t count) {
    auto request = peer().makeRequest();
    request.setCount(count);
    auto results = waitFor(request.send());
    kj::Vector<Callback::Client> made;
    for (auto each : results.getMade()) made.add(each);
    return made;
  }

  capnp::RemotePromise<Peer::TakeResults> taking(Peer::Client target, uint32_t size) {
    auto request = target.takeRequest();
    makePattern(request.initData(size));
    return request.send();
  }
  capnp::RemotePromise<Peer::BlobResults> blob(Peer::Client target, uint32_t size) {
    auto request = target.blobRequest();
    request.setSize(size);
    return request.send();
  }

 public:
  Client(const Refs& refs, kj::StringPtr name, kj::AsyncIoContext& io)
      : refs(refs), name(name), io(io), connection(Connected::to(refs, io)) {
    auto described = waitFor(peer().describeRequest().send());
    say(kj::str("client: C++, ", library()));
    say(kj::str("server: ", described.getLanguage(), ", ", described.getLibrary()));
    for (auto each : described.getCannot()) cannot.insert(kj::str(each.getCheck()), kj::str(each.getWhy()));
  }

  // How many checks failed.
  int all() {
    check("bootstrap", [this]() {
      auto connected = Connected::to(refs, io);
      KJ_REQUIRE(waitFor(on(*connected).describeRequest().send()).getLanguage() != "");
    });

    check("every type", [this]() {
      std::vector<uint32_t> numbers[3];
      Callback::Client own[3] = {kj::heap<Own>(numbers[0]), kj::heap<Own>(numbers[1]), kj::heap<Own>(numbers[2])};
      auto request = peer().echoRequest();
      auto value = request.initValue();
      makeSample(value);
      value.setCallback(own[0]);
      auto callbacks = value.initCallbacks(2);
      callbacks.set(0, own[1]);
      callbacks.set(1, own[2]);
      value.getAnything().initAs<Inner>().setName("anything");
      value.setAnyCapability(own[0]);
      auto results = waitFor(request.send());
      auto found = results.getValue();
      checkSample(found);
      Callback::Client returned[4] = {found.getCallback(), found.getCallbacks()[0], found.getCallbacks()[1],
                                      found.getAnyCapability().castAs<Callback>()};
      for (uint32_t i = 0; i < 4; i++) KJ_REQUIRE(waitFor(call(returned[i], i)).getAnswer() == i + 1000);
      KJ_REQUIRE(numbers[0] == std::vector<uint32_t>({0, 3}));
      KJ_REQUIRE(numbers[1] == std::vector<uint32_t>({1}));
      KJ_REQUIRE(numbers[2] == std::vector<uint32_t>({2}));
    });

    check("nested pipelining", [this]() {
      auto link = peer().linkRequest().send().getLink();
      for (int i = 0; i < 16; i++) {
        link = link.nextRequest().send().getNested().getDeeper().getLink().nextRequest().send().getLink();
      }
      KJ_REQUIRE(waitFor(link.depthRequest().send()).getDepth() == 32);
    });

    check("callback", [this]() {
      std::vector<uint32_t> numbers;
      auto request = peer().callBackRequest();
      request.setCallback(kj::heap<Own>(numbers));
      request.setTimes(5);
      auto results = waitFor(request.send());
      KJ_REQUIRE(results.getAnswers().size() == 5);
      for (uint32_t i = 0; i < 5; i++) KJ_REQUIRE(results.getAnswers()[i] == i + 1000);
      KJ_REQUIRE(numbers == range(5));
    });

    check("callback kept past the call", [this]() {
      std::vector<uint32_t> numbers;
      keep(kj::heap<Own>(numbers));
      for (uint32_t number : {3, 1, 2}) KJ_REQUIRE(waitFor(tell(number)).getAnswer() == number + 1000);
      KJ_REQUIRE(numbers == std::vector<uint32_t>({3, 1, 2}));
      waitFor(peer().dropRequest().send());
      failure(tell(4));
    });

    check("calls back and forth", [this]() {
      auto request = peer().bounceRequest();
      request.setBouncer(kj::heap<BouncerServer>());
      request.setLeft(20);
      KJ_REQUIRE(waitFor(request.send()).getBounces() == 20);
    });

    check("order: an answer becomes an object of the caller", [this]() {
      std::vector<uint32_t> numbers;
      auto request = peer().reflectRequest();
      request.setCallback(kj::heap<Own>(numbers));
      auto answer = request.send();
      auto early = answer.getCallback();
      kj::Vector<Calling> calls;
      for (uint32_t number = 0; number < 5; number++) calls.add(call(early, number));
      waitFor(kj::mv(answer));
      for (uint32_t number = 5; number < 30; number++) {
        calls.add(call(early, number));
        if (number % 5 == 0) io.waitScope.poll();
      }
      for (auto& each : calls) waitFor(kj::mv(each));
      KJ_REQUIRE(numbers == range(30));
    });

    check("order: a promise becomes an object of the caller", [this]() {
      std::vector<uint32_t> numbers;
      auto given = kj::newPromiseAndFulfiller<void>();
      auto request = peer().laterRequest();
      request.setSource(kj::heap<SourceServer>(kj::heap<Own>(numbers), kj::mv(given.promise)));
      auto callback = waitFor(request.send()).getCallback();
      kj::Vector<Calling> calls;
      for (uint32_t number = 0; number < 5; number++) calls.add(call(callback, number));
      // What was called arrives there before the promise resolves.
      counts();
      given.fulfiller->fulfill();
      for (uint32_t number = 5; number < 60; number++) {
        calls.add(call(callback, number));
        if (number % 3 == 0) pause(kj::MILLISECONDS);
      }
      for (auto& each : calls) waitFor(kj::mv(each));
      KJ_REQUIRE(numbers == range(60));
    });

    check("exception: failed", [this]() { throws(ErrorType::FAILED, "failed"); });
    check("exception: overloaded", [this]() { throws(ErrorType::OVERLOADED, "overloaded"); });
    check("exception: disconnected", [this]() { throws(ErrorType::DISCONNECTED, "disconnected"); });
    check("exception: unimplemented", [this]() { throws(ErrorType::UNIMPLEMENTED, "unimplemented"); });

    check("exception of a callback, passed on", [this]() {
      auto request = peer().relayRequest();
      request.setThrower(kj::heap<ThrowerServer>());
      request.setType(ErrorType::OVERLOADED);
      request.setMessage("too much at once");
      fails(request.send(), Type::OVERLOADED, "too much at once");
    });

    check("method that nobody implements", [this]() {
      fails(capnp::Capability::Client(peer()).castAs<Unheard>().ofRequest().send(), Type::UNIMPLEMENTED, "");
      counts();
    });

    check("cancellation", [this]() {
      auto before = counts();
      {
        auto hanging = peer().hangRequest().send();
        eventually("the call runs", [&]() { return counts().hanging == before.hanging + 1; });
      }
      eventually("it was cancelled", [&]() {
        auto now = counts();
        return now.cancelled == before.cancelled + 1 && now.hanging == before.hanging;
      });
    });

    check("release of what it made", [this]() {
      auto live = counts().live;
      auto made = makeThem(10);
      KJ_REQUIRE(counts().live == live + 10);
      made.truncate(4);
      eventually("six are released", [&]() { return counts().live == live + 4; });
      KJ_REQUIRE(waitFor(call(made[3], 5)).getAnswer() == 5);
      made.clear();
      eventually("all are released", [&]() { return counts().live == live; });
    });

    check("release of what it was given", [this]() {
      std::vector<uint32_t> numbers;
      bool released = false;
      keep(kj::heap<Own>(numbers, &released));
      waitFor(tell(1));
      KJ_REQUIRE(!released);
      waitFor(peer().dropRequest().send());
      eventually("it is released", [&]() { return released; });
    });

    check("one capability, many times in a message", [this]() {
      auto live = counts().live;
      kj::Vector<Callback::Client> made;
      {
        auto request = peer().sameRequest();
        request.setCount(5);
        auto results = waitFor(request.send());
        for (auto each : results.getMade()) made.add(each);
      }
      made.truncate(1);
      KJ_REQUIRE(waitFor(call(made[0], 7)).getAnswer() == 7);
      KJ_REQUIRE(counts().live == live + 1);
      made.clear();
      eventually("it is released", [&]() { return counts().live == live; });
    });

    check("tail call", [this]() {
      auto request = peer().forwardRequest();
      request.setLink(kj::heap<LinkAt>(41));
      auto forwarded = request.send();
      auto early = forwarded.getLink().depthRequest().send();
      KJ_REQUIRE(waitFor(kj::mv(early)).getDepth() == 42);
      auto link = waitFor(kj::mv(forwarded)).getLink();
      KJ_REQUIRE(waitFor(link.depthRequest().send()).getDepth() == 42);
    });

    check("10,000 calls in flight", [this]() {
      constexpr uint32_t COUNT = 10000;
      auto target = peer();
      kj::Vector<capnp::RemotePromise<Peer::WaitResults>> calls;
      for (uint32_t i = 0; i < COUNT; i++) calls.add(target.waitRequest().send());
      eventually("all wait", [&]() { return counts().waiting == COUNT; });
      KJ_REQUIRE(waitFor(target.openRequest().send()).getOpened() == COUNT);
      for (uint32_t i = 0; i < COUNT; i++) KJ_REQUIRE(waitFor(kj::mv(calls[i])).getPlace() == i);
    });

    check("streaming", [this]() {
      auto sink = waitFor(peer().sinkRequest().send()).getSink();
      for (uint32_t number = 0; number < 200; number++) {
        auto request = sink.writeRequest();
        request.setNumber(number);
        makePattern(request.initData(10000));
        waitFor(request.send());
      }
      auto done = waitFor(sink.doneRequest().send());
      KJ_REQUIRE(done.getWrites() == 200 && done.getBytes() == 2000000 && done.getInOrder());
    });

    check("save and restore", [this]() {
      auto request = peer().saveRequest();
      request.setName("keepsake");
      auto saved = waitFor(request.send()).getSaved();
      auto saving = capnp::Capability::Client(saved).castAs<Delegable>().saveRequest();
      saving.initSealFor().setAnyone();
      auto results = waitFor(saving.send());
      auto connected = Connected::to(refs, io);
      auto again = connected->restore(results.getSturdyRef().getSecret()).castAs<Saved>();
      KJ_REQUIRE(waitFor(again.nameRequest().send()).getName() == "keepsake");
    });

    check("64 MiB to it", [this]() {
      auto results = waitFor(taking(peer(), LARGE));
      KJ_REQUIRE(results.getSize() == LARGE && results.getIntact());
    });

    check("64 MiB from it", [this]() {
      auto results = waitFor(blob(peer(), LARGE));
      auto data = results.getData();
      KJ_REQUIRE(data.size() == LARGE && isPattern(data));
    });

    check("over the limit, to it", [this]() {
      auto link = waitFor(peer().linkRequest().send()).getLink();
      {
        auto connected = Connected::to(refs, io);
        failure(taking(on(*connected), TOO_LARGE));
      }
      reachedAnew();
      KJ_REQUIRE(waitFor(link.depthRequest().send()).getDepth() == 0);
    });

    check("over the limit, from it", [this]() {
      {
        auto connected = Connected::to(refs, io);
        failure(blob(on(*connected), TOO_LARGE));
      }
      reachedAnew();
    });

    check("the client goes away in the middle of a message", [this]() {
      auto link = waitFor(peer().linkRequest().send()).getLink();
      {
        // One segment of 4 words is announced, and one word comes.
        const kj::byte half[] = {0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0};
        auto address = io.provider->getNetwork().parseAddress(kj::str("unix:", refs.path)).wait(io.waitScope);
        auto stream = address->connect().wait(io.waitScope);
        waitFor(stream->write(half, sizeof(half)));
      }
      reachedAnew();
      KJ_REQUIRE(waitFor(link.depthRequest().send()).getDepth() == 0);
    });

    check("the client goes away", [this]() {
      auto before = counts();
      auto connected = Connected::to(refs, io);
      auto other = on(*connected);
      auto request = other.makeRequest();
      request.setCount(2);
      auto made = waitFor(request.send());
      kj::Vector<capnp::RemotePromise<Peer::HangResults>> hanging;
      for (int i = 0; i < 3; i++) hanging.add(other.hangRequest().send());
      eventually("the calls run", [&]() {
        auto now = counts();
        return now.hanging == before.hanging + 3 && now.live == before.live + 2;
      });
      // Without a word: the calls run and the objects are held.
      connected->stream->shutdownWrite();
      eventually("all is let go", [&]() {
        auto now = counts();
        return now.cancelled == before.cancelled + 3 && now.live == before.live;
      });
    });

    check("the server goes away", [this]() {
      auto target = peer();
      auto link = waitFor(target.linkRequest().send()).getLink();
      auto first = target.hangRequest().send();
      auto second = target.waitRequest().send();
      auto third = target.hangRequest().send();
      eventually("the calls run", [&]() { return counts().hanging >= 2; });
      auto exiting = target.exitRequest().send();
      fails(kj::mv(first), Type::DISCONNECTED, "");
      fails(kj::mv(second), Type::DISCONNECTED, "");
      fails(kj::mv(third), Type::DISCONNECTED, "");
      fails(kj::mv(exiting), Type::DISCONNECTED, "");
      fails(link.depthRequest().send(), Type::DISCONNECTED, "");
    });

    return bad;
  }
};

int run(int argc, char* argv[]) {
  kj::StringPtr mode = argc > 2 ? argv[1] : "", place = argc > 2 ? argv[2] : "", name = argc > 3 ? argv[3] : "";
  if (mode == "serve") {
    serve(place);
  } else if (mode == "join") {
    join(place, name);
  } else if (mode == "check") {
    Refs refs(place);
    auto io = kj::setupAsyncIo();
    return Client(refs, name, io).all() == 0 ? 0 : 1;
  } else {
    fprintf(stderr, "usage: peer serve SOCKET | join REFS NAME | check REFS [NAME]\n");
    return 2;
  }
  return 0;
}

}  // namespace

int main(int argc, char* argv[]) {
  int result = 1;
  KJ_IF_MAYBE (error, kj::runCatchingExceptions([&]() { result = run(argc, argv); })) {
    printf("not ok connect: %s\n", error->getDescription().cStr());
  }
  return result;
}
