/**
 * The layout of rpc.capnp: where each field of each message stands. Offsets of numbers are in bytes, of bools in bits,
 * of pointers in pointers; `words` and `pointers` are the struct's size as we write it. Read off
 * schema/capnp/rpc.capnp with `capnp compile -ocapnp`.
 */

/** The low bits of a far pointer whose landing pad is one word. */
export const FAR = 2;

export const Message = {
  words: 1,
  pointers: 1,
  tag: 0,
  body: 0,
  unimplemented: 0,
  abort: 1,
  call: 2,
  return: 3,
  finish: 4,
  resolve: 5,
  release: 6,
  bootstrap: 8,
  provide: 10,
  accept: 11,
  join: 12,
  disembargo: 13,
} as const;

/** Where Call, Bootstrap, Provide, Accept and Join have the id of the question that they introduce. */
export const QUESTION_ID = 0;

export const Bootstrap = { words: 1, pointers: 1, questionId: 0, deprecatedObjectId: 0 } as const;

export const Call = {
  words: 3,
  pointers: 3,
  questionId: 0,
  methodId: 4,
  sendResultsTo: 6,
  interfaceId: 8,
  noPromisePipelining: 129,
  onlyPromisePipeline: 130,
  target: 0,
  params: 1,
  thirdParty: 2,
  toCaller: 0,
  toYourself: 1,
  toThirdParty: 2,
} as const;

export const Return = {
  words: 2,
  pointers: 1,
  answerId: 0,
  /** Bool with the default true: the bit is stored inverted. */
  keepParamCaps: 32,
  noFinishNeeded: 33,
  tag: 6,
  body: 0,
  otherQuestion: 8,
  results: 0,
  exception: 1,
  canceled: 2,
  resultsSentElsewhere: 3,
  takeFromOtherQuestion: 4,
} as const;

export const Finish = {
  words: 1,
  pointers: 0,
  questionId: 0,
  /** Bool with the default true: the bit is stored inverted. */
  keepResultCaps: 32,
  /** Likewise `requireEarlyCancellationWorkaround`, of which we have no need. */
  noEarlyCancellationWorkaround: 33,
} as const;

export const Resolve = {
  words: 1,
  pointers: 1,
  promiseId: 0,
  tag: 4,
  body: 0,
  cap: 0,
  exception: 1,
} as const;

export const Release = { words: 1, pointers: 0, id: 0, referenceCount: 4 } as const;

export const Disembargo = {
  words: 1,
  pointers: 1,
  target: 0,
  embargoId: 0,
  tag: 4,
  senderLoopback: 0,
  receiverLoopback: 1,
} as const;

export const MessageTarget = {
  words: 1,
  pointers: 1,
  importedCapId: 0,
  tag: 4,
  body: 0,
  importedCap: 0,
  promisedAnswer: 1,
} as const;

export const Payload = { words: 0, pointers: 2, content: 0, capTable: 1 } as const;

export const CapDescriptor = {
  words: 1,
  pointers: 1,
  tag: 0,
  id: 4,
  body: 0,
  none: 0,
  senderHosted: 1,
  senderPromise: 2,
  receiverHosted: 3,
  receiverAnswer: 4,
  thirdPartyHosted: 5,
} as const;

export const PromisedAnswer = { words: 1, pointers: 1, questionId: 0, transform: 0 } as const;

export const Op = { words: 1, pointers: 0, tag: 0, field: 2, noop: 0, getPointerField: 1 } as const;

export const ThirdPartyCapDescriptor = { vineId: 0 } as const;

export const Exception = { words: 1, pointers: 2, type: 4, reason: 0, trace: 1 } as const;
