@0xa4f2b6d09c1e8357;
# Between a domain's shell and the broker: how a domain comes to life.
#
# A domain (a thread of ours or a program in another language) connects to the broker's private socket,
# takes the bootstrap capability, a `Threshold`, and shows the token it was started with. What it gets,
# an `Admission`, is all that it will ever have to begin with.

using Sturdy = import "sturdy.capnp";

interface Threshold {
  enter @0 (token :Data) -> (admission :Admission);
  # `token` is 32 bytes, good once and for 10 seconds. Any other: failed, "no such token", and the
  # connection is closed.
}

interface Admission {
  load @0 () -> (program :Program);
  # What to run. Answered once.

  ready @1 (restorer :Sturdy.Restorer) -> ();
  # The program has started and can be asked for its objects.

  failed @2 (message :Text) -> ();
  # The program could not be started; `message` is for its operator.

  own @3 (cap :Capability) -> (result :Ownership);
  # Which of the domain's own objects is behind `cap`, a capability that somebody passed to it, and what
  # the grant that it came through allows. The object itself is never given: that would amplify.
  # Waits until `cap` is resolved.
}

struct Program {
  name @0 :Text;
  source @1 :Text;
  # The bundled module.
  schemas @2 :List(Data);
  # CodeGeneratorRequests with every interface that the domain speaks: its own, those of the domains that it
  # was granted objects of, and the public protocol.
  mainInterface @3 :UInt64;
  grants @4 :List(NamedGrant);
}

struct NamedGrant {
  name @0 :Text;
  interfaceId @1 :UInt64;
  cap @2 :Capability;
}

struct Ownership {
  union {
    foreign @0 :Void;
    # Not an object of this domain.
    mine :group {
      object @1 :Data;
      # The object's id.
      interfaceId @2 :UInt64;
      policy @3 :Sturdy.Policy;
      # What may be done through `cap`.
    }
  }
}
