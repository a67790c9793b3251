/**
 * The list that each program runs against each server, in its order. A program prints one line a check: `ok NAME`,
 * `not ok NAME: WHY`, or `cannot NAME: WHY` where a library on the way cannot do it.
 */
export const CHECKS: Readonly<Record<string, string>> = {
  bootstrap: 'the gate, and what it restores, in one round trip',
  'every type': 'a struct with every type, its extremes and capabilities, read and made on both sides',
  'nested pipelining': '32 calls, each on what the one before will return, through nested structs too',
  callback: 'the server calls an object of the client during the call',
  'callback kept past the call': 'the server calls it later, until it lets go',
  'calls back and forth': 'each calls the other during the call of the other, 20 deep',
  'order: an answer becomes an object of the caller':
    'calls on a pipelined answer, before and after it turns out to be the client’s own',
  'order: a promise becomes an object of the caller':
    'calls on a promise, before, while and after it resolves to the client’s own',
  'exception: failed': 'with its text',
  'exception: overloaded': 'with its text',
  'exception: disconnected': 'with its text, on a connection that stays',
  'exception: unimplemented': 'with its text',
  'exception of a callback, passed on': 'by the server that called it, with type and text',
  'method that nobody implements': 'fails with unimplemented',
  cancellation: 'a call that hangs is cancelled, and the method hears of it',
  'release of what it made': 'objects of the server live until the client lets go of each',
  'release of what it was given': 'an object of the client lives until the server lets go of it',
  'one capability, many times in a message': 'is released as often as it was given',
  'tail call': 'the server ends its call by one on an object of the client',
  '10,000 calls in flight': 'run at the same time, and each returns',
  streaming:
    '200 calls of a streaming method, in order; the client in Python has no window, and sends all of them at once',
  'save and restore': 'Persistent.save, and the reference on another connection',
  '64 MiB to it': 'in one message',
  '64 MiB from it': 'in one message',
  'over the limit, to it': 'refused; other connections do not notice',
  'over the limit, from it': 'refused; a new connection is as good as ever',
  'the client goes away in the middle of a message': 'other connections do not notice',
  'the client goes away': 'its calls are cancelled, what it held is released',
  'the server goes away': 'every call on its way fails with disconnected',
};
