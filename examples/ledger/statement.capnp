@0x985885ddc99dd460;
# An account's statement, rendered for people: the interface of the example's untrusted plugin.

using Account = import "ledger.capnp".Account;

struct Grants {
  # What the plugin has to be given. By this its schema has the interface.

  account @0 :Account;
  # Account.statement is all that it calls, in earnest.
}

interface Statement {
  render @0 (format :Format, limit :UInt32 = 20) -> (document :Document);
  # The newest `limit` entries (at most 1000) of the one account that the plugin was given.

  attempts @1 () -> (attempts :List(Attempt));
  # Has the plugin try everything it knows to get out: to the file system, the process, the network and
  # to more power over the account than it was given. Each attempt and what became of it.
}

enum Format {
  text @0;
  html @1;
}

struct Document {
  union {
    text @0 :Text;
    html @1 :Text;
  }
}

struct Attempt {
  name @0 :Text;
  outcome :union {
    refused @1 :Text;
    # With this message.
    escaped @2 :Text;
    # What it got hold of. Never to be seen.
  }
}
