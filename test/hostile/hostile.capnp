@0xc01d5e7a3b9f4d26;
# What the tests of hostile peers call: params of every shape that bytes can go wrong in, and names that
# JavaScript has a meaning for.

struct Shapes {
  voids @0 :List(Void);
  bools @1 :List(Bool);
  numbers @2 :List(UInt64);
  texts @3 :List(Text);
  items @4 :List(Item);
  lists @5 :List(List(Text));
  nested @6 :Nested;
  text @7 :Text;
  data @8 :Data;
  any @9 :AnyPointer;
  cap @10 :Capability;
  empties @11 :List(Empty);
}

struct Item {
  number @0 :UInt64;
  text @1 :Text;
}

struct Empty {}

struct Nested {
  inner @0 :List(Nested);
}

struct Names {
  constructor @0 :Text;
  toString @1 :Text;
  hasOwnProperty @2 :Text;
  valueOf @3 :Text;
  then @4 :Text;
  xxprotoxx @5 :Text;
  # A test writes the nine letters of another name over it, in the compiled schema.
}

interface Target {
  take @0 Shapes -> Shapes;
  # Gives back what it took.

  names @1 Names -> Names;

  constructor @2 () -> ();
  # Not implemented: what every object has by this name is not a method.

  toString @3 () -> ();
  then @4 () -> ();

  promise @5 () -> (then :Target, catch :Target, finally :Target, toString :Target, own :Target);
}
