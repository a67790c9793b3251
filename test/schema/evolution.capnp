@0xc57ba4dde2ccce6b;
# The same structs before and after their schema has grown, by every change that the language allows.

enum OldColor { red @0; green @1; }
enum NewColor { red @0; green @1; blue @2; }

struct OldItem {
  size @0 :Int16;
}
struct NewItem {
  size @0 :Int16;
  weight @1 :Float64 = 2.5;
  label @2 :Text = "item";
  inner @3 :NewItem;
}

struct NumberItem {
  # What an element of List(Int32) has become.
  value @0 :Int32;
  note @1 :Text;
  factor @2 :UInt16 = 10;
}

struct TextItem {
  # What an element of List(Text) has become.
  text @0 :Text;
  count @1 :UInt64;
}

struct ByteItem {
  value @0 :UInt8;
  isGood @1 :Bool = true;
}

struct ListItem {
  values @0 :List(Int32);
  name @1 :Text;
}

struct Old {
  id @0 :UInt32;
  name @1 :Text;
  color @2 :OldColor;
  x @3 :Int16 = -5;
  item @4 :OldItem;
  items @5 :List(OldItem);
  numbers @6 :List(Int32);
  bytes @7 :List(UInt8);
  doubles @8 :List(Float64);
  texts @9 :List(Text);
  lists @10 :List(List(Int32));
  nothings @11 :List(Void);
  colors @12 :List(OldColor);
  comment @13 :Text;
  any @14 :AnyPointer;
  union {
    a @15 :UInt16;
    b @16 :Text;
  }
  shape :union {
    circle @17 :Float32;
    item @18 :OldItem;
  }
  alone @19 :Text;
}

struct New(T) {
  identifier @0 :UInt32;
  # Renamed.
  name @1 :Text;
  color @2 :NewColor;
  place :group {
    # Moved into a group, with a new neighbour.
    x @3 :Int16 = -5;
    y @20 :Int16 = -6;
  }
  item @4 :NewItem;
  items @5 :List(NewItem);
  numbers @6 :List(NumberItem);
  bytes @7 :List(ByteItem);
  doubles @8 :List(DoubleItem);
  struct DoubleItem { value @0 :Float64; other @1 :Text; }
  texts @9 :List(TextItem);
  lists @10 :List(ListItem);
  nothings @11 :List(NewItem);
  colors @12 :List(NewColor);
  comment @13 :Data;
  any @14 :NewItem;
  union {
    a @15 :UInt16;
    b @16 :Text;
    c @21 :List(NewItem);
    d :group {
      left @22 :UInt64;
      right @23 :T;
    }
  }
  shape :union {
    circle @17 :Float32;
    item @18 :NewItem;
    none @24 :Void;
  }
  choice :union {
    # `alone` was a field by itself.
    alone @19 :Text;
    company @25 :List(Text);
  }
  flag @26 :Bool = true;
  more @27 :Int64 = 77;
  link @28 :Text = "new";
  numbersToo @29 :List(Int8) = [1, 2];
}

struct NewOfText { new @0 :New(Text); }
struct OldIn { new @0 :Old; }
