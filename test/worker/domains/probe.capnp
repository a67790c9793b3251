@0xe3b16a5f0c2d4978;
# What the tests of worker/ ask of a domain.

interface Probe {
  echo @0 (text :Text, data :Data, number :Int64, float :Float64)
      -> (text :Text, data :Data, number :Int64, float :Float64);
  evaluate @1 (source :Text) -> (outcome :Text);
  # Evaluates `source` inside the domain, as the body of an async function of `world`, `stub` and `self`; the outcome as text.
  item @2 (id :Text) -> (item :Item);
  nameless @3 () -> (item :Item);
  whose @4 (item :Item) -> (answer :Text);
  tell @5 (listener :Listener, text :Text) -> (heard :Text);
  wait @6 () -> ();
  # Never returns, but hears of its caller's cancelling.
  cancelled @7 () -> (count :UInt32);
  render @8 (name :Text) -> (text :Text);
}

interface Item {
  id @0 () -> (id :Text);
  change @1 () -> ();
}

interface Listener {
  heard @0 (text :Text) -> (answer :Text);
}
