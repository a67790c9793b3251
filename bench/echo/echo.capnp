@0xcab546df813a010b;
# What every subject of the bench serves, in its own way.

interface Echo {
  echo @0 (payload :Data) -> (payload :Data);

  next @1 () -> (node :Echo);
  # An Echo, which is this one: what a chain of calls goes along.
}
