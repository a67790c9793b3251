@0xb7c3e05d8f2a9164;
# Between the broker's supervisor and a host process, over the descriptor that the host inherits. The
# bootstrap capability of the host's side is a `Host`.

interface Host {
  assign @0 (door :Door, token :Data, limits :Limits) -> (thread :UInt32, task :UInt32);
  # Gives a parked thread to a domain: it goes to `door` and enters with `token`.
  # overloaded where no thread may be added. Returns as soon as the thread has its orders. `task` is what the
  # kernel calls the thread, 0 where that is not known.

  ended @1 (thread :UInt32) -> (reason :Text);
  # Returns when the thread is gone, and says why.

  terminate @2 (thread :UInt32) -> ();
  # Ends a thread. Returns when it is gone; a thread that cannot be terminated keeps this waiting, and
  # the supervisor kills the host.

  ping @3 () -> (threads :List(Memory));
  # The host's own loop is alive. `threads`: what those of its domains that have said so yet had in memory when they were
  # last asked, which they are again by this.

  rehearse @4 () -> ();
  # Starts a thread, up to where it would get its orders, and ends it: fails with the reason where there can be none.
}

struct Memory {
  thread @0 :UInt32;
  heapBytes @1 :UInt64;
  offHeapBytes @2 :UInt64;
  # ArrayBuffers, those included that carry its messages.
}

struct Door {
  # Where the broker listens to the domain.
  union {
    socket @0 :Text;
    # It connects to the unix socket of this path.
    inherited @1 :UInt32;
    # It has the connection already: this descriptor of its host's, which no other domain is given.
  }
}

struct Limits {
  heapMebibytes @0 :UInt32;
  # The old generation of the thread's heap.
  turnMillis @1 :UInt32;
  # The longest turn: a thread that has not come back to its loop for so long is terminated.
  offHeapMebibytes @2 :UInt32;
  # ArrayBuffers: the broker ends a domain that has more.
}
