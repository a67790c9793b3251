@0xd1f0c6a5b7e94a37;
# What the conformance tests speak: the messages of the protocol itself, read by the schema and not by the layout that
# rpc/ has of them, and the interfaces of the objects that need a schema.

using Rpc = import "/capnp/rpc.capnp";

struct Recorded {
  message @0 :Rpc.Message;
}

struct Content {
  # What the tests' own payloads look like.
  number @0 :UInt32;
  cap @1 :Capability;
}

interface Sink {
  # A sink with backpressure.
  write @0 (bytes :Data) -> stream;
  end @1 () -> (bytes :UInt64);
}

interface Caller {
  # Objects that call each other.
  echo @0 (number :UInt32) -> (number :UInt32);
  countdown @1 (from :UInt32, back :Caller) -> (steps :UInt32);
  wait @2 () -> ();
  child @3 () -> (caller :Caller);
  forward @4 (to :Caller, number :UInt32) -> (number :UInt32);
}
