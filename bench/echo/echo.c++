// Echo in C++ on both sides: the reference implementation of Cap'n Proto RPC, as its documentation shows it.
//
// usage: echo server PATH      serves at a unix socket, and says `ready`
//        echo client PATH      says `ready`, and takes orders as bench/client.ts does

#include <capnp/message.h>
#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

#include "echo.capnp.h"

namespace {

class EchoServer final : public Echo::Server {
 protected:
  kj::Promise<void> echo(EchoContext context) override {
    context.getResults().setPayload(context.getParams().getPayload());
    return kj::READY_NOW;
  }

  kj::Promise<void> next(NextContext context) override {
    context.getResults().setNode(thisCap());
    return kj::READY_NOW;
  }
};

// In seconds.
double now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec * 1e-9;
}

// As bench/load.ts: so many calls under way, and the time of one call in SAMPLED.
class Load {
 public:
  static constexpr unsigned SAMPLED = 16;
  static constexpr unsigned LEAST_CALLS = 2;

  Load(Echo::Client target, bool chain, size_t bytes, double seconds)
      : target(kj::mv(target)), chain(chain), payload(kj::heapArray<kj::byte>(bytes)), seconds(seconds) {
    for (size_t i = 0; i < bytes; i++) payload[i] = 97 + i % 26;
  }

  void run(unsigned depth, kj::WaitScope& wait) {
    double begin = now();
    end = begin + seconds;
    least = LEAST_CALLS * depth;
    auto slots = kj::heapArrayBuilder<kj::Promise<void>>(depth);
    for (unsigned i = 0; i < depth; i++) slots.add(slot(i % SAMPLED == 0));
    kj::joinPromises(slots.finish()).wait(wait);
    double took = now() - begin;
    std::sort(latencies.begin(), latencies.end());
    printf("{\"calls\":%lu,\"seconds\":%.9f,\"p50\":%.3f,\"p99\":%.3f}\n", completed, took, percentile(0.5),
           percentile(0.99));
    fflush(stdout);
  }

 private:
  Echo::Client target;
  bool chain;
  kj::Array<kj::byte> payload;
  double seconds;
  double end = 0;
  unsigned long least = 0;
  unsigned long completed = 0;
  bool over = false;
  std::vector<double> latencies;

  kj::Promise<void> slot(bool sampled) {
    double called = sampled ? now() : 0;
    return call().then([this, sampled, called](capnp::Response<Echo::EchoResults>&& results) -> kj::Promise<void> {
      auto returned = results.getPayload();
      KJ_REQUIRE(returned.size() == payload.size(), "what came back is not what was sent");
      // Byte by byte once, as the load in Node does.
      if (completed++ == 0) KJ_REQUIRE(returned == payload.asPtr(), "what came back is not what was sent");
      if (sampled) {
        double time = now();
        latencies.push_back((time - called) * 1e6);
        if (time >= end && completed >= least) over = true;
      }
      if (over) return kj::READY_NOW;
      return slot(sampled);
    });
  }

  capnp::RemotePromise<Echo::EchoResults> call() {
    auto at = chain ? target.nextRequest().send().getNode().nextRequest().send().getNode().nextRequest().send().getNode()
                    : target;
    auto request = at.echoRequest();
    request.setPayload(payload);
    return request.send();
  }

  double percentile(double part) const {
    return latencies[std::min(latencies.size() - 1, static_cast<size_t>(latencies.size() * part))];
  }
};

void ready() {
  printf("ready\n");
  fflush(stdout);
}

void serve(kj::AsyncIoContext& io, kj::StringPtr path) {
  auto address = io.provider->getNetwork().parseAddress(kj::str("unix:", path)).wait(io.waitScope);
  auto listener = address->listen();
  capnp::TwoPartyServer server(kj::heap<EchoServer>());
  ready();
  server.listen(*listener).wait(io.waitScope);
}

void call(kj::AsyncIoContext& io, kj::StringPtr path) {
  auto address = io.provider->getNetwork().parseAddress(kj::str("unix:", path)).wait(io.waitScope);
  auto connection = address->connect().wait(io.waitScope);
  capnp::TwoPartyClient peer(*connection);
  auto echo = peer.bootstrap().castAs<Echo>();
  echo.whenResolved().wait(io.waitScope);
  ready();
  std::string kind;
  size_t bytes;
  unsigned depth;
  double seconds;
  while (std::cin >> kind >> bytes >> depth >> seconds) {
    Load load(echo, kind == "chain", bytes, seconds);
    load.run(depth, io.waitScope);
  }
}

}  // namespace

int main(int argc, char* argv[]) {
  if (argc != 3) {
    fprintf(stderr, "usage: echo server|client PATH\n");
    return 2;
  }
  auto io = kj::setupAsyncIo();
  KJ_IF_MAYBE (error, kj::runCatchingExceptions([&]() {
    if (strcmp(argv[1], "server") == 0) serve(io, argv[2]);
    else call(io, argv[2]);
  })) {
    fprintf(stderr, "%s\n", error->getDescription().cStr());
    return 1;
  }
  return 0;
}
