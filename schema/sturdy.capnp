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

  attenuate @0 (policy :Policy, label :Text, sealFor :Owner, once :Bool)
      -> (ref :SturdyRef, grant :Grant, cap :Capability);
  # Mints a child of the grant that this capability came through: a reference `ref` to the same object,
  # bounded by `policy` as well as by every policy above it, the power `grant` over the new grant, and
  # `cap`, the object as `ref` would restore it. `label` (at most 200 characters) is for people who read
  # listings; it is not secret. With `once`, `ref` restores one time and no more: for handing over. The
  # reference is on disk when this returns.
  #
  # A policy that names a method or a field that the schema does not have, or compares a field with what
  # its type has not, is refused, by name.

  describe @1 () -> (interfaceId :UInt64, schema :Data, policy :Policy, grant :Text);
  # What this capability is: the id of its interface, a CodeGeneratorRequest that contains it, the
  # effective policy, and the id of the grant that it came through (GrantInfo.id). For tools that make
  # calls from text.

  saveOnce @2 (sealFor :Owner) -> (sturdyRef :SturdyRef);
  # As Persistent.save, but the reference restores one time and no more: for handing over. Whoever
  # restores it has the object as long as the connection lasts, and can save what it got. That it was
  # used is on disk before the restore is answered; whoever comes second gets "no such reference". A
  # restore that fails because the domain cannot be started does not use it.
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

  constraints @4 :List(Constraint);
  # What the params of a method have to be, wherever it is called under the grant: on this object and on
  # every object that comes out of it. All of them hold; a method that none of them names is not bound.

  maxCalls @5 :UInt64;
  # So many calls in all, of this grant and of every grant below it together. 0: no bound. The broker
  # reserves them on disk ahead of use: when it ends, some may be lost, and none comes back. What the
  # broker answers itself (Delegable, Persistent) does not count.

  maxBytes @6 :UInt64;
  # So many bytes in all, likewise: of the messages that carry params and results through the grant,
  # callbacks included. 0: no bound.

  rates @7 :List(Rate);
  # How fast calls may be made, through this grant and every grant below it together; all of them hold.
  # A call over a rate is refused: overloaded.

  struct Constraint {
    # One field of the params of one method, what of it is compared, and with what. A call is refused
    # where the field cannot be read as the schema says: in an inactive member of a union, behind a
    # pointer that is null, a text that is not UTF-8, or NaN. A field that is left out has its default.

    interface @0 :UInt64;
    # The id of the interface that declares the method.
    method @1 :Text;
    field @2 :List(Text);
    # The names from the params down to the field, through groups and structs.
    measure @3 :Measure;
    operator @4 :Operator;
    values @5 :List(Value);
    # One; of `oneOf`, one or more.

    enum Measure {
      value @0;
      length @1;
      # Elements of a list, bytes of a Data, bytes of UTF-8 of a Text.
    }

    enum Operator {
      equal @0;
      oneOf @1;
      less @2;
      atMost @3;
      greater @4;
      atLeast @5;
      prefix @6;
      # Of a Text or a Data.
      within @7;
      # A Text that is a path: the value itself, or below it. A path that is not in its plain form is within
      # nothing: an empty segment, `.` or `..`, a backslash, a percent sign, a control character.
    }

    struct Value {
      union {
        text @0 :Text;
        # For an enum, the name of the enumerant.
        integer @1 :Int64;
        unsigned @2 :UInt64;
        float @3 :Float64;
        data @4 :Data;
        bool @5 :Bool;
      }
    }
  }

  struct Rate {
    # A token bucket: `burst` calls at once after a pause, and `calls` in `perMillis` from then on.
    calls @0 :UInt32;
    perMillis @1 :UInt32;
    burst @2 :UInt32;
  }

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
  kind @10 :Kind;
  reference @11 :Reference;
  bound @12 :Policy;
  # What the holder of the power may extend the policy to.
  overlap @13 :Int64;
  # Until when a secret that was replaced is good still; 0: none is.
  capabilities @14 :UInt32;
  # Live capabilities that came through it, here and now, on all connections.
  calls @15 :UInt32;
  # Calls in flight through it.
  callsLeft @16 :UInt64;
  # Of policy.maxCalls, so many can be made yet; of a grant above, there may be fewer. Where
  # policy.maxCalls is 0, there is no such bound, and this says nothing.
  bytesLeft @17 :UInt64;
  # Of policy.maxBytes, likewise.

  enum State {
    live @0;
    revoked @1;
    expired @2;
  }
  enum Kind {
    object @0;
    # To an object of a domain.
    power @1;
    # To the power over a grant: its parent, or that of the power that it was saved from.
  }
  enum Reference {
    none @0;
    # The broker holds it for somebody; there is no secret to it.
    lasting @1;
    once @2;
    # It restores one time, and has not been restored yet.
    used @3;
    # It restored one time, and did.
  }
}

interface Grant extends(Persistent(SturdyRef, Owner)) {
  # Power over one grant: for whoever minted it. The references themselves do not carry it.
  #
  # `Persistent.save(sealFor)` gives a reference to this power. It is a grant of its own, of kind power, a
  # child of the one that it is power over: it dies with that, and can be revoked by itself. It is not
  # bound by the policy of that grant, which is about the object.
  #
  # What is amended is on disk when the method returns, and binds from then on what is live as well; a
  # call in flight goes on unless the grant is dead by it.

  info @0 () -> (info :GrantInfo);

  attenuate @1 (policy :Policy, label :Text, sealFor :Owner, once :Bool) -> (ref :SturdyRef, grant :Grant);
  # As Delegable.attenuate, for a holder of the grant who does not hold the object.

  revoke @2 (drain :UInt32) -> (revoked :UInt32, cut :UInt32, ended :Bool);
  # Kills the grant and everything below it. When this returns, the fact is on disk; every live
  # capability that came through any of them is dead; and the calls in flight on them have failed
  # with "the grant was revoked (ID)", where ID is the grant that they came through.
  # `revoked` counts the grants that died.
  #
  # With `drain`, calls that were forwarded already may end, for so many milliseconds (at most 600000):
  # their data still comes to the callers, capabilities in it are dead. No other call begins meanwhile.
  # This returns when all have ended, or when the time is over: then those that are left fail as above,
  # `cut` counts them, and, if it is the operator who revokes (Operator.grant), the domain is ended,
  # which is `ended`.

  narrow @3 (policy :Policy) -> (policy :Policy);
  # From now on the grant allows what it allowed and `policy` allows. Gives its own policy as it is then.

  extend @4 (policy :Policy) -> (policy :Policy);
  # From now on the grant's own policy is `policy`, within its bound (GrantInfo.bound), which is what it
  # was minted with or what somebody above has set since. It gives back what was narrowed, and an
  # expiry that was put off, also when it has passed. Gives its own policy as it is then. What binds is
  # this and the policies above it, as ever.

  rotate @5 (overlap :UInt32) -> (ref :SturdyRef);
  # Another secret for the grant's reference. The present one, and those that it replaced, are good for
  # `overlap` milliseconds more at most, and then they are not. What was restored stays live.
  # A grant without a reference, or one whose reference was used up, has none to replace: failed.

  child @6 (id :Text) -> (grant :Grant);
  # Power over a direct child of this grant, from above: its `narrow` sets the child's bound as well, and
  # its `extend` sets policy and bound to whatever is asked. (The child cannot do more by it than this
  # grant can.)
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

  mint @3 (domain :Text, object :Text, policy :Policy, label :Text, sealFor :Owner, once :Bool)
      -> (ref :SturdyRef, grant :Grant);
  # Mints a root grant to an object of a domain. Asks the domain for the object, which starts it.
  # `once` as in Delegable.attenuate.

  grants @4 (after :Text, limit :UInt32) -> (grants :List(GrantInfo));
  # All grants in the order of their ids, from behind `after`, at most `limit` (0: 1000; never more).

  grant @5 (id :Text) -> (grant :Grant);
  # Power over any grant, from above.

  health @6 () -> (ready :Bool, uptimeMillis :UInt64, connections :UInt32, detail :Text);
  # Liveness is that this answers. `ready` is false while the broker starts or stops; `detail` says
  # why.

  schema @7 (domain :Text) -> (interfaceId :UInt64, schema :Data);
  # The interface of the domain's main object, and a CodeGeneratorRequest that contains it. For tools
  # that make policies from text. The domain is not started.

  audit @8 (after :UInt64, limit :UInt32) -> (entries :List(AuditEntry), last :UInt64);
  # The audit log from behind the entry `after`, at most `limit` entries (0: 1000; never more). `last` is
  # the number of the last entry there is: what to ask behind to hear only of what is new.

  tree @9 (id :Text, after :Text, limit :UInt32) -> (nodes :List(GrantNode));
  # The grant and everything below it, dead or alive: each in front of its children, siblings in the
  # order of their ids; from behind the grant `after`, at most `limit` (0: 256; never more). Empty at the
  # end.

  upgrade @10 (domain :Text, module :Text, schema :Text, drain :UInt32) -> (cut :UInt32);
  # Has the domain run the module and speak the schema (a CodeGeneratorRequest) of these files, absolute
  # paths on the broker's machine; where they are empty, the files of the configuration as they are now.
  # Refused, with what breaks, before anything stops: a schema that clients of the old cannot go on with,
  # a grant whose policy names what the schema does not have, a program that is none. Then restores, and
  # calls on objects that have an id, wait, in their order, until those under way have returned, for
  # `drain` milliseconds at most (0: 10000; never more than 600000), and the new instance is ready;
  # those that have not returned by then are cut, and `cut` counts them. References stay good, and so do live
  # capabilities to objects that have an id. Where the new instance does not start, the old one goes on.
  # What it was upgraded to is kept, and runs when the broker is started again, unless the program, the schema or
  # the interface of the configuration is another than it was by then: then the configuration is what runs.
}

struct AuditEntry {
  # What was done, for which grant, and who did it. Fields that say nothing of the action are empty.

  sequence @0 :UInt64;
  # From 1, without a gap.
  at @1 :Int64;
  action @2 :Text;
  # `grant.mint`, `grant.attenuate`, `grant.narrow`, `grant.extend`, `grant.rotate`, `grant.use` (of a
  # reference that restores once), `grant.revoke`, `grant.restore`, `restore.refuse`, `call.refuse`,
  # `flow.refuse`, `domain.upgrade`, `store.restore`, `store.migrate`; there may be more.
  grant @3 :Text;
  parent @4 :Text;
  # Of `grant.attenuate`: what it was minted from.
  domain @5 :Text;
  by @6 :Text;
  # By what authority: `operator`, `grant ID`, or what the broker did it for.
  peer @7 :Text;
  # Over whose connection: `unix`, `tcp 127.0.0.1`, `domain ID`, with its number where it was one connection.
  detail @8 :Text;
  previous @9 :Data;
  # The hash of the entry before; 32 zeros in front of the first.
  hash @10 :Data;
  # SHA-256 of the sequence number (8 bytes, big-endian), `previous`, and the other fields that are not
  # empty, in MessagePack: a map of their names to their values, in the order at, action, grant, parent,
  # domain, by, peer, detail; `at` as a number as MessagePack writes a JavaScript number.
}

struct GrantNode {
  depth @0 :UInt32;
  # 0: the grant that was asked for.
  info @1 :GrantInfo;
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
  tier @8 :Text;
  # How it is isolated: thread, process or sandbox.
  limits @9 :List(LimitInUse);
  code @10 :Code;
  # What it runs, or will when it is started.

  struct Code {
    program @0 :Text;
    # The SHA-256 of its program, as it was made of its module, in hexadecimal; empty: it was not made yet.
    origin @1 :Origin;
    since @2 :Int64;
    # When it was upgraded to it, or its program was made; 0: it was not yet.

    enum Origin {
      configuration @0;
      upgrade @1;
    }
  }
}

struct LimitInUse {
  # One of the limits of a domain's configuration, in its unit.
  name @0 :Text;
  limit @1 :Float64;
  union {
    unknown @2 :Void;
    # What is used of it is not known, or not yet.
    used @3 :Float64;
  }
}

# ---- Powers: the world, as capabilities. A domain has those that its configuration grants it, each through a
# grant of its own, with a policy, until that is revoked. Every limit has its setting; docs/powers.md has them.

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

  transact @3 (checks :List(Check), changes :List(Change)) -> (committed :Bool, conflict :UInt32);
  # All of the changes, if all of the checks hold, at one instant with nothing in between; else none of them:
  # `conflict` is then the index of the first check that does not hold.

  usage @4 () -> (bytes :UInt64, keys :UInt64, maxBytes :UInt64, maxKeys :UInt64);
  # What there is, keys and values together, and what there may be.

  struct Check {
    key @0 :Text;
    union {
      absent @1 :Void;
      present @2 :Void;
      value @3 :Data;
      # The key is there with this value.
    }
  }
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

interface Timers {
  after @0 (millis :UInt32, callback :Alarm) -> (timer :Timer);
  # Calls `callback` once, no earlier than in so many milliseconds.

  every @1 (millis :UInt32, callback :Alarm) -> (timer :Timer);
  # Calls it again and again, so many milliseconds apart; a turn that comes while the call before it is still
  # under way is left out.

  # A timer lives until it has fired, is cancelled, its callback breaks, or this capability is gone: with the
  # domain at the latest. Letting go of the Timer does not end it.

  interface Alarm {
    fired @0 () -> ();
  }
  interface Timer {
    cancel @0 () -> ();
    # It does not fire any more when this returns; a call that is under way goes on. Twice is once.
  }
}

interface Secret {
  # A value that other powers use, and that no method returns.

  redeem @0 (ticket :Data) -> ();
  # For a power that was passed this one: it made the ticket for the one use that it names, and the secret
  # decides whether it is for that. Of no use to anybody else.
}

interface Http {
  request @0 (request :Request) -> (response :Response);
  # One request, and its response: whole, or as far as its headers (`Request.stream`). What was refused by the
  # policy of the configuration, or went wrong before there was a response, is an exception that names it.

  struct Request {
    method @0 :Text = "GET";
    url @1 :Text;
    # Absolute, and as a URL parser prints it: `https://api.example.com/v1/things?limit=10`.
    headers @2 :List(Header);
    body @3 :Data;
    redirects @4 :UInt32;
    # How many may be followed; each is checked like a request. 0: a redirect is the response.
    stream @5 :Bool;
    # The body of the response is read in chunks: this returns with the headers, and `Response.stream`.
    source @6 :Body;
    # In place of `body`: where the broker reads the body of the request, as it is sent, chunk by chunk. A
    # redirect that would have it sent again is an exception. When the response is there, no more of it is read.
    length @7 :UInt64;
    # How many bytes `source` gives: told to the other end, and kept to. 0: it is not known, and the body is
    # sent in the chunks of HTTP/1.1.
  }
  interface Body {
    # A body that is read once, from its beginning. Letting go of it ends it, and what it comes from.

    read @0 (maxBytes :UInt32) -> (chunk :Data, end :Bool);
    # The next bytes, as soon as there are any: at least one, unless this is the end, and at most `maxBytes`
    # (0: 65536; never more). `end`: there is nothing behind them. Reads are answered in their order. What went
    # wrong, now or since the last read, is an exception, and then the body is over.
  }
  struct Header {
    name @0 :Text;
    union {
      text @1 :Text;
      secret @2 :Secret;
    }
  }
  struct Response {
    status @0 :UInt16;
    headers @1 :List(Field);
    # As they came, in their order; names in lower case.
    body @2 :Data;
    url @3 :Text;
    # What was answered: not what was asked for, where redirects were followed.
    stream @4 :Body;
    # Where it was asked for: the body, and `body` is empty. Nobody waits for long whether it is read.
  }
  struct Field {
    name @0 :Text;
    value @1 :Text;
    # Each byte as one character (ISO 8859-1).
  }
}

interface Directory {
  # A directory of the broker's machine and what is below it, by handle: what it is renamed to is still it.
  # A path is relative, `a/b/c`; empty, the directory itself. No part of one may be empty, `.` or `..`, and
  # none is followed where it is a symbolic link.

  list @0 (path :Text, after :Text, limit :UInt32) -> (entries :List(Entry));
  # In the order of the names' UTF-8 bytes, from behind `after`; at most `limit` (0: 1000; never more). Names that
  # are not UTF-8 are left out.

  stat @1 (path :Text) -> (stat :Stat);

  read @2 (path :Text, offset :UInt64, length :UInt32) -> (data :Data, end :Bool);
  # `end`: there is nothing behind that.

  write @3 (path :Text, offset :UInt64, data :Data, truncate :Bool) -> ();
  # Makes the file if there is none. `truncate`: the file ends behind what was written. What was written is
  # with the system when this returns; on disk, when the system puts it there.

  remove @4 (path :Text) -> ();
  # A file, a link, or an empty directory.

  makeDirectory @5 (path :Text) -> ();

  subdirectory @6 (path :Text) -> (directory :Directory);
  # Rooted there: nothing above it can be reached through it.

  readOnly @7 () -> (directory :Directory);

  struct Entry {
    name @0 :Text;
    kind @1 :Kind;
  }
  struct Stat {
    kind @0 :Kind;
    size @1 :UInt64;
    modified @2 :Int64;
    # Milliseconds since 1970.
  }
  enum Kind {
    other @0;
    # A link, a socket, a device: it can be neither read nor written.
    file @1;
    directory @2;
  }
}
