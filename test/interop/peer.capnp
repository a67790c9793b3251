@0xb3d1c2f09a6e4857;
# What programs in different languages, and a domain of a broker, all serve, so that one list of checks can be
# run by each of them against each. The list itself stands in checks.ts.
#
# Every server's bootstrap capability is a `Gate` of sturdy.capnp, as a broker's is: `restore` with the secret
# that the file of references has under `peer` gives a `Peer`.

using Sturdy = import "/sturdy.capnp";
using Persistent = import "/capnp/persistent.capnp".Persistent;

interface Peer {
  describe @0 () -> (language :Text, library :Text, cannot :List(Cannot));
  # Who serves this, and which checks of the list it cannot pass, each with the reason.

  echo @1 (value :Every) -> (value :Every);
  # `value` must be the sample that checks.ts describes, or this fails saying where it differs. Returns a
  # sample that the server has made itself, with the capabilities it was given.

  link @2 () -> (link :Link);
  # A chain of objects that never ends, at its link 0.

  callBack @3 (callback :Callback, times :UInt32) -> (answers :List(UInt32));
  # Calls `callback.call(n)` for n from 0, one after the other, and gives what it answered.

  keep @4 (callback :Callback) -> ();
  # Holds on to it until `drop`.
  tell @5 (number :UInt32) -> (answer :UInt32);
  # Calls the callback that was kept.
  drop @6 () -> ();

  bounce @7 (bouncer :Bouncer, left :UInt32) -> (bounces :UInt32);
  # Calls `bouncer.bounce(self, left - 1)` while `left` is not 0. Gives how many calls that were, in all.

  reflect @8 (callback :Callback) -> (callback :Callback);
  # Gives back what it is given.

  later @9 (source :Source) -> (callback :Callback);
  # Returns at once with a promise: what `source.give()` will return.

  fail @10 (type :ErrorType, message :Text) -> ();
  # Ends with an exception of this type and description.

  relay @11 (thrower :Thrower, type :ErrorType, message :Text) -> ();
  # Calls `thrower.fail` and lets what it throws pass.

  forward @12 (link :Link) -> Step;
  # A tail call of `link.next()`, where the server's library has tail calls; else a plain call.

  hang @13 () -> ();
  # Never returns. Counted while it runs, and when it is cancelled.

  counts @14 () -> (counts :Counts);

  make @15 (count :UInt32) -> (made :List(Callback));
  # New objects, counted while they live.
  same @16 (count :UInt32) -> (made :List(Callback));
  # One new object, this many times.

  blob @17 (size :UInt32) -> (data :Data);
  # The bytes 0 to 250, over and over.
  take @18 (data :Data) -> (size :UInt32, intact :Bool);
  # Whether `data` is what `blob` would give.

  wait @19 () -> (place :UInt32);
  # Returns when `open` is called, with the number of those that came before it and wait.
  open @20 () -> (opened :UInt32);

  sink @21 () -> (sink :Sink);

  save @22 (name :Text) -> (saved :Saved);
  # The object of this name, which can be saved and restored.

  exit @23 () -> ();
  # Ends the server on the spot: nobody gets an answer any more.
}

struct Cannot {
  check @0 :Text;
  why @1 :Text;
}

struct Counts {
  hanging @0 :UInt32;
  cancelled @1 :UInt32;
  live @2 :UInt32;
  waiting @3 :UInt32;
}

enum ErrorType {
  # As rpc.capnp has them.
  failed @0;
  overloaded @1;
  disconnected @2;
  unimplemented @3;
}

interface Callback {
  call @0 (number :UInt32) -> (answer :UInt32);
}

interface Source {
  give @0 () -> (callback :Callback);
}

interface Thrower {
  fail @0 (type :ErrorType, message :Text) -> ();
}

interface Bouncer {
  bounce @0 (peer :Peer, left :UInt32) -> (bounces :UInt32);
}

interface Link {
  next @0 () -> Step;
  depth @1 () -> (depth :UInt32);
}

struct Step {
  # The next of a chain, twice.
  link @0 :Link;
  nested @1 :Nested;
}

struct Nested {
  deeper @0 :Deeper;
  struct Deeper {
    link @0 :Link;
  }
}

interface Sink {
  write @0 (number :UInt32, data :Data) -> stream;
  done @1 () -> (writes :UInt32, bytes :UInt64, inOrder :Bool);
}

interface Saved extends(Persistent(Sturdy.SturdyRef, Sturdy.Owner)) {
  name @0 () -> (name :Text);
}

interface Unheard {
  # Nobody implements it.
  of @0 () -> ();
}

interface Switchboard {
  # A domain by which one client of a broker finds another.

  plug @0 (name :Text, peer :Peer) -> ();
  find @1 (name :Text) -> (peer :Peer);
}

enum Colour {
  red @0;
  green @1;
  blue @2;
}

struct Inner {
  name @0 :Text;
  inner @1 :Inner;
}

struct Every {
  # Something of every type.

  nothing @0 :Void;
  yes @1 :Bool;
  i8 @2 :Int8;
  i16 @3 :Int16;
  i32 @4 :Int32;
  i64 @5 :Int64;
  u8 @6 :UInt8;
  u16 @7 :UInt16;
  u32 @8 :UInt32;
  u64 @9 :UInt64;
  f32 @10 :Float32;
  f64 @11 :Float64;
  text @12 :Text;
  data @13 :Data;
  colour @14 :Colour;
  inner @15 :Inner;

  nothings @16 :List(Void);
  bools @17 :List(Bool);
  i8s @18 :List(Int8);
  i16s @19 :List(Int16);
  i32s @20 :List(Int32);
  i64s @21 :List(Int64);
  u8s @22 :List(UInt8);
  u16s @23 :List(UInt16);
  u32s @24 :List(UInt32);
  u64s @25 :List(UInt64);
  f32s @26 :List(Float32);
  f64s @27 :List(Float64);
  texts @28 :List(Text);
  datas @29 :List(Data);
  colours @30 :List(Colour);
  inners @31 :List(Inner);
  lists @32 :List(List(UInt16));

  group :group {
    left @33 :UInt8;
    right @34 :Text;
  }

  union {
    number @35 :UInt32;
    word @36 :Text;
    none @37 :Void;
  }

  preset @38 :Int16 = -7;
  presetText @39 :Text = "preset";

  callback @40 :Callback;
  callbacks @41 :List(Callback);
  anything @42 :AnyPointer;
  anyCapability @43 :Capability;
}
