@0x85150b117366d14b;
# The calculator that most implementations of Cap'n Proto ship as their example, in words of our own. Ids, names
# and numbers are the same, so that any of those programs can talk to the ones here.

interface Calculator {
  # Does arithmetic for its clients, on its side of the wire.

  evaluate @0 (expression :Expression) -> (value :Value);
  # Works the expression out. What comes back is an object that holds the value, not the value: so it can be
  # used in the next expression before this call has returned.

  struct Expression {
    union {
      literal @0 :Float64;
      previousResult @1 :Value;
      # What another `evaluate` gave, of this calculator or of any.
      parameter @2 :UInt32;
      # The parameter of this number, in the body of a function; elsewhere there is none.
      call :group {
        function @3 :Function;
        params @4 :List(Expression);
      }
    }
  }

  interface Value {
    # A number that somebody holds. It stands for as long as the object does.

    read @0 () -> (value :Float64);
  }

  defFunction @1 (paramCount :Int32, body :Expression) -> (func :Function);
  # Makes a function of `paramCount` parameters. Its body may use `parameter` 0 to `paramCount` - 1.

  interface Function {
    # Whoever implements it can be called from an expression: the calculator, or a client of it.

    call @0 (params :List(Float64)) -> (value :Float64);
  }

  getOperator @2 (op :Operator) -> (func :Function);
  # The operator as a function of two parameters.

  enum Operator {
    add @0;
    subtract @1;
    multiply @2;
    divide @3;
  }
}
