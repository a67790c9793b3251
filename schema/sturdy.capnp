@0xd1a1f0c35e6b7a42;
# Sturdy: the public protocol of the broker.
#
# This file is the reference for a program in any language that talks to a broker: what to call, what
# comes back, and which errors to expect. Everything here is ordinary Cap'n Proto RPC, level 1 plus
# Persistent; compile the file with your language's usual compiler.
#
# In short: connect, ask for the bootstrap capability (a `Gate`), `restore` a sturdyref, and call what
# you get. Whatever you got that way also answers `Delegable`, by which you mint weaker references to
# it for others, and `Persistent.save`.
#
# All times are milliseconds since 1970-01-01T00:00Z. Every exception is of one of the four types of
# rpc.capnp; where one text is fixed, it is quoted below.

using Persistent = import "/capnp/persistent.capnp".Persistent;

struct SturdyRef {
  # A reference to one object that outlives connections, processes and the broker itself. Whoever knows
  # it can use it, so treat it as you would a password: it is never logged, and it has no place in argv.
  #
  # Printed, it is `sturdy+unix:///PATH#SECRET` or `sturdy://sha-256:KEY@HOST:PORT/#SECRET`, where SECRET
  # is `secret` in unpadded base64url and KEY is the SHA-256 of the broker's TLS public key, likewise.
  # The loopback address needs no key: `sturdy://127.0.0.1:7447/#SECRET`.

  secret @0 :Data;
  # 33 bytes: the format's version, 1, then 32 random bytes. The broker keeps only their SHA-256.
}

struct Owner {
  # To whom a reference is sealed. In anybody else's hands a sealed reference does not exist.

  union {
    anyone @0 :Void;
    # Not sealed: whoever knows it can restore it.

    unixUser @1 :UInt32;
    # Connections on the unix socket whose peer has this uid.

    certificate @2 :Data;
    # TLS connections with the client certificate of this SHA-256 fingerprint (32 bytes).

    domain @3 :Text;
    # The domain of this id (DomainInfo.id).
  }
}

interface Gate {
  # The bootstrap capability of every connection. Restoring is all that it can do: it gives a stranger
  # nothing.

  restore @0 (ref :SturdyRef) -> (cap :Capability);
  # Gives the object that `ref` stands for. `cap` is live as long as this connection; it obeys the
  # grant behind `ref`, and so does everything that is reached through it. If the object's domain is
  # not running, it is started.
  #
  # A reference that is malformed, unknown, revoked, expired or sealed to somebody else gets one
  # identical answer: failed, "no such reference". When the domain cannot be started: disconnected,
  # naming the domain.
}

interface Delegable extends(Persistent(SturdyRef, Owner)) {
  # What every capability that comes from the broker answers besides its own interface: cast to this.
  #
  # `Persistent.save(sealFor)` gives a reference to the same object, as strong as this capability and no
  # stronger. An object that its domain cannot find again (one with no object id) cannot be saved:
  # failed, saying so. Where the grant is not delegable, both methods fail, saying so.

  attenuate @0 (policy :Policy, label :Text, sealFor :Owner) -> (ref :SturdyRef, grant :Grant, cap :Capability);
  # Mints a child of the grant that this capability came through: a reference `ref` to the same object,
  # bounded by `policy` as well as by every policy above it, the power `grant` over the new grant, and
  # `cap`, the object as `ref` would restore it. `label` (at most 200 characters) is for people who read
  # listings; it is not secret. The reference is on disk when this returns.
  #
  # A policy that names a method that the schema does not have is refused, by name.

  describe @1 () -> (interfaceId :UInt64, schema :Data, policy :Policy, grant :Text);
  # What this capability is: the id of its interface, a CodeGeneratorRequest that contains it, the
  # effective policy, and the id of the grant that it came through (GrantInfo.id). For tools that make
  # calls from text.
}

struct Policy {
  # What may be done through a grant. Policies only add up: the effective policy of a grant is its own
  # and those of all its ancestors together.

  methods :union {
    all @0 :Void;
    # Every method of every interface.

    only @1 :List(Allowed);
    # These and no others, on this object and on every object that comes out of it. What the holder
    # passes in (a callback) is not bound by the list. An empty list allows nothing.
  }

  expires @2 :Int64;
  # The grant is dead from this time on. 0: never.

  delegable @3 :Bool = true;
  # Whether the holder may save or attenuate it.

  struct Allowed {
    interface @0 :UInt64;
    # The id of the interface that declares the methods (a superclass, if it is inherited).

    union {
      all @1 :Void;
      methods @2 :List(Text);
      # By the names that the schema gives them.
    }
  }
}

struct GrantInfo {
  id @0 :Text;
  # Names the grant in logs, listings and on the command line. Not secret, no authority.
  parent @1 :Text;
  # Empty: a root, minted by the operator.
  label @2 :Text;
  domain @3 :Text;
  # The name of the domain whose object this is.
  object @4 :Text;
  # The object's id there; empty for the domain's main object.
  policy @5 :Policy;
  owner @6 :Owner;
  created @7 :Int64;
  state @8 :State;
  children @9 :UInt32;
  # Direct children that are alive, of the first 100 that were minted.

  enum State {
    live @0;
    revoked @1;
    expired @2;
  }
}

interface Grant {
  # Power over one grant: for whoever minted it. The references themselves do not carry it.

  info @0 () -> (info :GrantInfo);

  attenuate @1 (policy :Policy, label :Text, sealFor :Owner) -> (ref :SturdyRef, grant :Grant);
  # As Delegable.attenuate, for a holder of the grant who does not hold the object.

  revoke @2 () -> (revoked :UInt32);
  # Kills the grant and everything below it. When this returns, the fact is on disk; every live
  # capability that came through any of them is dead; and the calls in flight on them have failed
  # with "the grant was revoked (ID)", where ID is the grant that they came through.
  # `revoked` counts the grants that died.
}

interface Restorer {
  # What a domain offers to the broker, so that its objects can be found again.

  restore @0 (object :Data) -> (cap :Capability);
  # The object of this id; an empty id asks for the domain's main object. An id that the domain does
  # not know is an exception of type failed.
}

interface Identified {
  # What an object of a domain answers to the broker, so that a reference to it can be minted. The
  # broker never passes this interface on to a client.

  identify @0 () -> (object :Data, interfaceId :UInt64, persistent :Bool);
  # Its id, as Restorer.restore takes it, and its interface. `persistent` is false where the object
  # has no id and cannot be saved.
}

interface Operator {
  # The operator's capability, restored from the reference that the broker keeps in the file
  # `operator.ref` (mode 0600) of its data folder.

  domains @0 () -> (domains :List(DomainInfo));

  start @1 (domain :Text) -> ();
  # Starts the domain if it is not running, and returns when it is ready.

  stop @2 (domain :Text) -> ();
  # Ends the domain's thread. Live capabilities to its objects break with disconnected; the next
  # restore starts it again.

  mint @3 (domain :Text, object :Text, policy :Policy, label :Text, sealFor :Owner)
      -> (ref :SturdyRef, grant :Grant);
  # Mints a root grant to an object of a domain. Asks the domain for the object, which starts it.

  grants @4 (after :Text, limit :UInt32) -> (grants :List(GrantInfo));
  # All grants in the order of their ids, from behind `after`, at most `limit` (0: 1000; never more).

  grant @5 (id :Text) -> (grant :Grant);

  health @6 () -> (ready :Bool, uptimeMillis :UInt64, connections :UInt32, detail :Text);
  # Liveness is that this answers. `ready` is false while the broker starts or stops; `detail` says
  # why.

  schema @7 (domain :Text) -> (interfaceId :UInt64, schema :Data);
  # The interface of the domain's main object, and a CodeGeneratorRequest that contains it. For tools
  # that make policies from text. The domain is not started.
}

struct DomainInfo {
  id @0 :Text;
  # Random, made when the domain was first configured; never used again for another.
  name @1 :Text;
  state @2 :State;
  detail @3 :Text;
  # Why it is in this state: the last error of its code, for instance.
  starts @4 :UInt32;
  # How often it was started since the broker started.
  hostPid @5 :UInt32;
  # The host process its thread runs in; 0 when it is not running.

  enum State {
    stopped @0;
    starting @1;
    running @2;
    failed @3;
    # It could not be started, or died too often; it is tried again after a pause.
    asleep @4;
    # It was idle, and was stopped by its policy (idleMillis). Live capabilities to its objects are good: the
    # first call on one, or the next restore, starts it again.
  }
  wakes @6 :UInt32;
  # How often it was started from its sleep since the broker started.
  idleMillis @7 :UInt64;
  # Of a domain that is put to sleep when it is idle, and runs: for how long nothing has come from it or gone
  # to it. Otherwise 0.
}

# ---- Powers: the world, as capabilities. A domain has those that its configuration grants it. --------

interface Clock {
  now @0 () -> (unixMillis :Int64);
}

interface Random {
  bytes @0 (count :UInt32) -> (bytes :Data);
  # Cryptographically strong. At most 65536 at a time.
}

interface Log {
  write @0 (level :Level, message :Text) -> ();
  # Goes to the broker's log under the domain's name. Cut at 8192 characters; over the domain's rate of
  # lines a second: overloaded.

  enum Level {
    debug @0;
    info @1;
    warn @2;
    error @3;
  }
}

interface Storage {
  # An ordered map from keys to bytes that belongs to one domain and outlives it. A method that changes
  # something returns when the change is on disk.

  get @0 (key :Text) -> (entry :Entry);

  write @1 (changes :List(Change)) -> ();
  # All of them or none.

  list @2 (prefix :Text, after :Text, limit :UInt32) -> (entries :List(Pair));
  # In the order of the keys' UTF-8 bytes, from behind `after`; at most `limit` (0: 1000; never more).

  struct Entry {
    union {
      absent @0 :Void;
      value @1 :Data;
    }
  }
  struct Change {
    key @0 :Text;
    # 1 to 1024 bytes of UTF-8.
    union {
      delete @1 :Void;
      put @2 :Data;
      # At most 1 MiB.
    }
  }
  struct Pair {
    key @0 :Text;
    value @1 :Data;
  }
}
