@0xe7b4f1c1c2b66fa3;
# Every type of the language, for the tests of the codecs.

enum Color {
  red @0;
  deepGreen @3;
  blue @1;
  constructor @2;
}

struct Point {
  x @0 :Int32;
  y @1 :Int16;
}

struct Nothing {}
# Takes no space.

struct Everything {
  # Sizes are mixed, so that fields stand in the gaps that others leave.
  nothing @0 :Void;
  flag0 @1 :Bool;
  tiny @2 :Int8;
  flag1 @3 :Bool;
  wide @4 :Int64;
  flag2 @5 :Bool;
  flag3 @6 :Bool;
  short @7 :Int16;
  flag4 @8 :Bool;
  flag5 @9 :Bool;
  flag6 @10 :Bool;
  flag7 @11 :Bool;
  flag8 @12 :Bool;
  normal @13 :Int32;
  byte @14 :UInt8;
  uwide @15 :UInt64;
  ushort @16 :UInt16;
  unormal @17 :UInt32;
  single @18 :Float32;
  double @19 :Float64;
  color @20 :Color;
  text @21 :Text;
  data @22 :Data;
  point @23 :Point;
  empty @24 :Nothing;

  union {
    none @25 :Void;
    yes @26 :Bool;
    letter @27 :Text;
    number @28 :Int64;
    ratio @29 :Float32;
    tone @30 :Color;
    spot @31 :Point;
    spots @32 :List(Point);
    both :group {
      left @33 :UInt8;
      right @34 :Text;
    }
    bits @35 :List(Bool);
  }

  place :group {
    # A group in a group, and a union in that.
    name @36 :Text;
    at :group {
      latitude @37 :Float64;
      longitude @38 :Float64;
      source :union {
        unknown @39 :Void;
        satellite @40 :UInt16;
        guess @41 :Text;
      }
    }
    checked @42 :Bool;
  }

  shape :union {
    circle @43 :Float64;
    square @44 :UInt32;
    dot @45 :Void;
    outline @46 :List(Point);
    box :group {
      width @47 :Int8;
      height @48 :Int8;
      deep @49 :Bool;
    }
  }

  voids @50 :List(Void);
  bools @51 :List(Bool);
  int8s @52 :List(Int8);
  int16s @53 :List(Int16);
  int32s @54 :List(Int32);
  int64s @55 :List(Int64);
  uint8s @56 :List(UInt8);
  uint16s @57 :List(UInt16);
  uint32s @58 :List(UInt32);
  uint64s @59 :List(UInt64);
  float32s @60 :List(Float32);
  float64s @61 :List(Float64);
  colors @62 :List(Color);
  texts @63 :List(Text);
  datas @64 :List(Data);
  points @65 :List(Point);
  empties @66 :List(Nothing);
  boolLists @67 :List(List(Bool));
  voidLists @68 :List(List(Void));
  textLists @69 :List(List(Text));
  pointLists @70 :List(List(Point));
  cube @71 :List(List(List(UInt16)));

  tree @72 :Tree;
  chain @73 :Chain;
  boxedText @74 :Box(Text);
  boxedNumbers @75 :Box(List(Int64));
  boxedTwice @76 :Box(Box(Point));
  pair @77 :Pair(Data, Point);
  dictionary @78 :Dictionary(Text, Everything);
  names @79 :Names;
  all @80 :List(Everything);
}

struct Chain {
  # Contains itself outside of a list and of a union.
  value @0 :UInt32;
  next @1 :Chain;
}

struct Tree {
  leaf @0 :Int16;
  children @1 :List(Tree);
}

struct Box(T) {
  value @0 :T;
  label @1 :Text;
}

struct Pair(First, Second) {
  first @0 :First;
  second @1 :Second;
}

struct Dictionary(Key, Value) {
  entries @0 :List(Entry);
  struct Entry {
    # Not generic itself: it has the parameters of the struct around it.
    key @0 :Key;
    value @1 :Value;
  }
}

struct Names {
  # Fields that are called as what every JavaScript object has.
  constructor @0 :UInt8;
  toString @1 :Text;
  valueOf @2 :Bool;
  hasOwnProperty @3 :List(Int8);
  then @4 :Int64;
  length @5 :UInt16;
  union {
    toJSON @6 :Void;
    prototype @7 :Text;
  }
}

struct Defaults {
  flag @0 :Bool = true;
  off @1 :Bool = false;
  tiny @2 :Int8 = -128;
  short @3 :Int16 = -32768;
  normal @4 :Int32 = -2147483648;
  wide @5 :Int64 = -9223372036854775808;
  byte @6 :UInt8 = 255;
  ushort @7 :UInt16 = 65535;
  unormal @8 :UInt32 = 4294967295;
  uwide @9 :UInt64 = 18446744073709551615;
  single @10 :Float32 = 1.5;
  double @11 :Float64 = -1e300;
  infinite @12 :Float32 = inf;
  lowest @13 :Float64 = -inf;
  unreal @14 :Float64 = nan;
  unrealSingle @15 :Float32 = nan;
  minusZero @16 :Float64 = -0.0;
  color @17 :Color = blue;
  text @18 :Text = "Grüße, \"Welt\"";
  emptyText @19 :Text = "";
  data @20 :Data = 0x"00 ff 80";
  point @21 :Point = (x = 7, y = -7);
  numbers @22 :List(Int32) = [1, -2, 3];
  flags @23 :List(Bool) = [true, false, true];
  nothings @24 :List(Void) = [void, void];
  texts @25 :List(Text) = ["a", "", "c"];
  points @26 :List(Point) = [(x = 1), (y = 2)];
  lists @27 :List(List(UInt8)) = [[], [1], [2, 3]];
  colors @28 :List(Color) = [blue, red];
  boxed @29 :Box(Text) = (value = "in the box", label = "box");
  chain @30 :Chain = (value = 1, next = (value = 2));
  union {
    first @31 :UInt16 = 1000;
    second @32 :Text = "second";
    third @33 :Point = (x = 3);
    fourth :group {
      a @34 :Int64 = 4;
      b @35 :Bool = true;
    }
  }
}

struct Numbers {
  # A default of every bit pattern that XOR could get wrong.
  tiny @0 :Int8 = 5;
  short @1 :Int16 = -2;
  normal @2 :Int32 = -1;
  wide @3 :Int64 = -1;
  byte @4 :UInt8 = 128;
  ushort @5 :UInt16 = 32768;
  unormal @6 :UInt32 = 2147483648;
  uwide @7 :UInt64 = 9223372036854775808;
  single @8 :Float32 = -2.5;
  double @9 :Float64 = 0.1;
  unreal @10 :Float64 = nan;
  unrealSingle @11 :Float32 = nan;
  infinite @12 :Float64 = inf;
  flag @13 :Bool = true;
  color @14 :Color = constructor;
  minusZero @15 :Float32 = -0.0;
}

interface Listener {
  heard @0 (sound :Text) -> (loudness :Float32);
  silence @1 () -> ();
  play @2 Everything -> Names;
  generic @3 [T] (value :T) -> (value :T);
}

interface Echo(T) extends(Listener) {
  echo @0 (value :T) -> (value :T, again :Echo(T));
}

struct Free {
  # What can be anything.
  any @0 :AnyPointer;
  capability @1 :Capability;
  listener @2 :Listener;
  listeners @3 :List(Listener);
  anyList @4 :AnyList;
  anyStruct @5 :AnyStruct;
  unbound @6 :Box;
  # Its `value` is an AnyPointer.
  echo @7 :Echo(Text);
  boxedListener @8 :Box(Listener);
  capabilities @9 :List(Capability);
  union {
    none @10 :Void;
    either @11 :AnyPointer;
    or @12 :Listener;
  }
  free @13 :List(Free);
}

struct FreeAs {
  # The same places as in Free, with types.
  any @0 :Everything;
  capability @1 :AnyPointer;
  listener @2 :AnyPointer;
  listeners @3 :AnyPointer;
  anyList @4 :List(Text);
  anyStruct @5 :Point;
  unbound @6 :Box(List(Point));
}

struct Loop {
  # Comes back to itself by every way there is but a list.
  other @0 :Other;
  struct Other {
    loop @0 :Loop;
    group :group {
      boxed @1 :Box(Loop);
    }
    size @2 :UInt8;
  }
}

struct FirstIsItself {
  # The member of its union that is active in an empty struct contains it.
  union {
    inner @0 :FirstIsItself;
    end @1 :Void;
  }
}

struct DefaultIsItself {
  inner @0 :DefaultIsItself = (size = 7);
  size @1 :UInt8 = 3;
}

struct DefaultComesBack {
  # The default's union has the member that contains it.
  choice @0 :Choice = (back = ());
  struct Choice {
    union {
      end @0 :Void;
      back @1 :DefaultComesBack;
    }
  }
}

struct Growing(T) {
  # Each level has a type that none had before.
  next @0 :Growing(Pair(T, T));
  value @1 :T;
}

struct Bush(T) { left @0 :T; right @1 :T; }
struct Wide {
  # 2^32 structs, all of them in no space.
  of @0 :Bush(Bush(Bush(Bush(Bush(Bush(Bush(Bush(Wider))))))));
}
struct Wider {
  of @0 :Bush(Bush(Bush(Bush(Bush(Bush(Bush(Bush(Widest))))))));
}
struct Widest {
  of @0 :Bush(Bush(Bush(Bush(Bush(Bush(Bush(Bush(Widest2))))))));
}
struct Widest2 {
  of @0 :Bush(Bush(Bush(Bush(Bush(Bush(Bush(Bush(Point))))))));
}

struct Transfer {
  id @0 :UInt64;
  lines @1 :List(Line);
  struct Line {
    amount @0 :Int64;
    memo @1 :Text;
    tags @2 :List(Text);
    grid @3 :List(List(Int8));
    union {
      cash @4 :Void;
      account @5 :Text;
    }
    detail :group {
      rate @6 :Float64;
      color @7 :Color;
    }
  }
}

struct Constants {
  # One field for each constant, so that the tool can show them all.
  nothing @0 :Void;
  flag @1 :Bool;
  tiny @2 :Int8;
  short @3 :Int16;
  normal @4 :Int32;
  wide @5 :Int64;
  byte @6 :UInt8;
  ushort @7 :UInt16;
  unormal @8 :UInt32;
  uwide @9 :UInt64;
  single @10 :Float32;
  double @11 :Float64;
  infinite @12 :Float64;
  unreal @13 :Float32;
  color @14 :Color;
  text @15 :Text;
  emptyText @16 :Text;
  data @17 :Data;
  emptyData @18 :Data;
  point @19 :Point;
  empty @20 :Nothing;
  numbers @21 :List(UInt64);
  noNumbers @22 :List(UInt64);
  grid @23 :List(List(Text));
  defaults @24 :Defaults;
  boxed @25 :Box(List(Point));
}

const nothing :Void = void;
const flag :Bool = true;
const tiny :Int8 = -128;
const short :Int16 = -32768;
const normal :Int32 = -2147483648;
const wide :Int64 = -9223372036854775808;
const byte :UInt8 = 255;
const ushort :UInt16 = 65535;
const unormal :UInt32 = 4294967295;
const uwide :UInt64 = 18446744073709551615;
const single :Float32 = 0.1;
const double :Float64 = 0.1;
const infinite :Float64 = -inf;
const unreal :Float32 = nan;
const color :Color = deepGreen;
const text :Text = "Straße\n";
const emptyText :Text = "";
const data :Data = 0x"c0 ff ee";
const emptyData :Data = "";
const point :Point = (x = 1, y = 2);
const empty :Nothing = ();
const numbers :List(UInt64) = [1, 18446744073709551615];
const noNumbers :List(UInt64) = [];
const grid :List(List(Text)) = [["a"], [], ["b", "c"]];
const defaults :Defaults = (third = (x = 4), flag = false);
const boxed :Box(List(Point)) = (value = [.point, (x = 9)], label = .text);
const constants :Constants = (
  nothing = .nothing,
  flag = .flag,
  tiny = .tiny,
  short = .short,
  normal = .normal,
  wide = .wide,
  byte = .byte,
  ushort = .ushort,
  unormal = .unormal,
  uwide = .uwide,
  single = .single,
  double = .double,
  infinite = .infinite,
  unreal = .unreal,
  color = deepGreen,
  text = .text,
  emptyText = .emptyText,
  data = .data,
  emptyData = .emptyData,
  point = .point,
  empty = .empty,
  numbers = .numbers,
  noNumbers = .noNumbers,
  grid = .grid,
  defaults = .defaults,
  boxed = .boxed
);
