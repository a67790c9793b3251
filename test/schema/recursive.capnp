@0xf12d9d59be532531;
# Structs that can hold themselves.

struct Chain {
  name @0 :Text;
  next @1 :Chain;
}

struct Even {
  odd @0 :Odd;
}

struct Odd {
  even @0 :Even;
}

struct Stack {
  union {
    top :group {
      value @0 :UInt8;
      rest @1 :Stack;
    }
    empty @2 :Void;
  }
}

struct Type {
  # Ends by itself: its default is `number`.
  union {
    number @0 :Void;
    list @1 :Type;
  }
}

struct Holder {
  chain @0 :Chain;
  type @1 :Type;
}
