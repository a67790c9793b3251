@0xc2f0e4a8b7d61935;
# What the domains of the model test speak: an object that tells which calls reached it, and passes capabilities around.

interface Cell {
  read @0 (token :UInt32) -> (place :Text, number :UInt32);
  # Which object was reached, and how many calls of read and write it has had with this one, in this life of it.

  write @1 (token :UInt32) -> (place :Text, number :UInt32);

  hold @2 (token :UInt32) -> ();
  # Returns only when it is cancelled.

  open @3 (id :Text) -> (cell :Cell);
  # Another object of the domain. Empty: one without an id.

  keep @4 (cell :Cell, slot :UInt32) -> (own :Text);
  # Keeps what is passed, in the domain. Tells what the domain is told of it: `foreign`, or the id and whether read and write are
  # allowed; or the error.

  kept @5 (slot :UInt32) -> (cell :Cell);

  ask @6 (cell :Cell, write :Bool, token :UInt32) -> (place :Text, number :UInt32, refused :Text);
  # Has the domain call what is passed.

  askKept @7 (slot :UInt32, write :Bool, token :UInt32) -> (place :Text, number :UInt32, refused :Text);

  echo @8 (cell :Cell) -> (cell :Cell);

  peer @9 () -> (cell :Cell);
  # What the configuration grants to the domain.

  audit @10 () -> (tokens :List(UInt32), alive :List(Text));
  # Of every call of read, write and hold that reached an object of this domain in this life, the token; and those of its
  # objects that somebody holds, but for the main one.

  forget @11 () -> ();
  # Lets go of all that is kept.
}
