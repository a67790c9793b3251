@0xafb577eeb330982c;
# A small bank: the interfaces of the example's trusted domain.
#
# All money is in cents. All times are milliseconds since 1970-01-01T00:00Z. What goes wrong is an
# exception of type failed whose text says what would be right; nothing is booked then.

interface Ledger {
  # Power over every account of the bank. A facet with nothing but `transfer` is a payment counter: its
  # holder brings the accounts.

  open @0 (name :Text) -> (account :Account, isNew :Bool);
  # The account of this name, which is opened if there is none. 1 to 63 of a-z, 0-9 and '-', and the
  # first is not '-'.

  find @1 (name :Text) -> (account :Account);
  # The account of this name. Fails where there is none.

  accounts @2 (after :Text, limit :UInt32) -> (accounts :List(Summary));
  # In the order of their names, from behind `after`, at most `limit` (0: 100; never more than 1000).

  transfer @3 (from :Account, to :Account, cents :Int64, memo :Text, attachment :Data, reference :Text)
      -> (entry :Entry);
  # Moves money between two accounts of this ledger, both sides or neither. `from` must be a capability
  # that allows Account.withdraw, and `to` one that allows Account.deposit: holding a capability to read
  # an account is no power to empty it. Gives the entry made in `from`. `cents` and what follows as in
  # Account.deposit; `reference` is one of `from`.

  struct Summary {
    name @0 :Text;
    balance @1 :Int64;
    account @2 :Account;
  }
}

interface Account {
  balance @0 () -> (cents :Int64);

  deposit @1 (cents :Int64, memo :Text, attachment :Data, reference :Text) -> (entry :Entry);
  # Pays in cash. `cents` is greater than 0; `memo` at most 200 characters, no control characters;
  # `attachment`, a receipt for instance, at most 4096 bytes. `reference` (1 to 64 of A-Z, a-z, 0-9, '.', '_', '-', or empty for
  # none) makes it safe to try again: a posting whose reference the account has booked before is not
  # booked again, and gives the earlier entry.

  withdraw @2 (cents :Int64, memo :Text, attachment :Data, reference :Text) -> (entry :Entry);
  # Pays out cash, as `deposit`. Fails where the account does not hold so much.

  statement @3 (page :Page) -> (name :Text, opening :Int64, entries :List(Entry), closing :Int64);
  # A page of the account's entries, always in the order in which they were booked, with the balance
  # before the first of them and after the last.

  next @4 (after :UInt32) -> (entry :Entry);
  # The entry whose number is `after` + 1; waits until it is booked.

  watch @5 (watcher :Watcher) -> (watch :Watch);
  # From now on calls `watcher` for each entry that is booked, in order, until `watch` is stopped or let
  # go, or a call on `watcher` fails, or 32 of them have had no answer. At most 16 watchers an account.
}

interface Watcher {
  # What somebody who wants to be told implements.

  booked @0 (entry :Entry) -> ();
}

interface Watch {
  stop @0 ();
  # When this returns, the watcher has been let go and is not called again.
}

struct Page {
  limit @0 :UInt32 = 100;
  # At most so many entries (never more than 1000).
  union {
    newest @1 :Void;
    after @2 :UInt32;
    # Entries with higher numbers than this.
    before @3 :UInt32;
    # The last entries with lower numbers than this.
  }
}

enum Kind {
  deposit @0;
  withdrawal @1;
  sent @2;
  received @3;
}

struct Entry {
  number @0 :UInt32;
  # 1, 2, 3 ... in each account.
  time @1 :Int64;
  kind @2 :Kind;
  cents @3 :Int64;
  # What it added to the balance: negative for a withdrawal and for what was sent.
  balance @4 :Int64;
  # Of the account, after this entry.
  memo @5 :Text;
  attachment @6 :Data;
  reference @7 :Text;
  other :union {
    cash @8 :Void;
    account @9 :Text;
    # The name of the account on the other side of a transfer.
  }
}
