import { describe, expect, it } from 'vitest';
import { INVARIANTS, type Invariant, type Recorded, violations } from './oracle.js';
import { encodeMessage, type WireMessage } from './wire.js';

const sent = (message: WireMessage): Recorded => ({ direction: 'sent', segments: [encodeMessage(message)] });
const received = (message: WireMessage): Recorded => ({
  direction: 'received',
  segments: [encodeMessage(message)],
});

const call = (questionId: number, more: WireMessage = {}): WireMessage => ({
  call: { questionId, target: { importedCap: 0 }, ...more },
});
const params = (...capTable: WireMessage[]): WireMessage => ({ params: { capTable } });
const results = (answerId: number, ...capTable: WireMessage[]): WireMessage => ({
  return: { answerId, releaseParamCaps: false, results: { capTable } },
});
const finish = (questionId: number, releaseResultCaps = false): WireMessage => ({
  finish: { questionId, releaseResultCaps },
});
const pipelined = (questionId: number): WireMessage => ({ promisedAnswer: { questionId, transform: [] } });

/** The bootstrap of the peer, as import 0. */
const IMPORTED: readonly Recorded[] = [
  sent({ bootstrap: { questionId: 9 } }),
  received(results(9, { senderHosted: 0 })),
  sent(finish(9)),
];

/** For each invariant, traces that break it, each in the message that stands last (or by what is missing at the end). */
const FORGED: Record<Invariant, readonly Recorded[][]> = {
  'question id in use': [
    [...IMPORTED, sent(call(1)), sent(call(1))],
    // A Return has come, but no Finish was sent.
    [...IMPORTED, sent(call(1)), received(results(1)), sent(call(1))],
    // A Finish was sent, but no Return has come.
    [...IMPORTED, sent(call(1)), sent(finish(1, true)), sent({ bootstrap: { questionId: 1 } })],
  ],
  'one Finish': [
    [sent(finish(3))],
    [...IMPORTED, sent(finish(9))],
    [...IMPORTED, sent(call(1)), sent(finish(1, true)), sent(finish(1, true))],
  ],
  'finished question': [
    [...IMPORTED, sent(call(1, { target: pipelined(9) }))],
    [...IMPORTED, sent(call(1, params({ receiverAnswer: pipelined(9)['promisedAnswer'] })))],
    [...IMPORTED, sent({ disembargo: { target: pipelined(9), context: { senderLoopback: 0 } } })],
  ],
  'no pipelining promised': [
    [...IMPORTED, sent(call(1, { noPromisePipelining: true })), sent(call(2, { target: pipelined(1) }))],
  ],
  'one Return': [
    [sent(results(0))],
    [received(call(0)), sent(results(0)), sent(results(0))],
    [
      received(call(0)),
      received(finish(0)),
      sent({ return: { answerId: 0, canceled: null } }),
      sent(results(0)),
    ],
  ],
  'results sent elsewhere': [
    [received(call(0, { sendResultsTo: { yourself: null } })), sent(results(0))],
    [received(call(0)), sent({ return: { answerId: 0, resultsSentElsewhere: null } })],
  ],
  canceled: [[received(call(0)), sent({ return: { answerId: 0, canceled: null } })]],
  'take from other question': [
    [received(call(0)), sent({ return: { answerId: 0, takeFromOtherQuestion: 4 } })],
    [
      ...IMPORTED,
      received(call(0)),
      sent(call(4)),
      sent({ return: { answerId: 0, takeFromOtherQuestion: 4 } }),
    ],
    [
      ...IMPORTED,
      received(call(0)),
      received(call(1)),
      sent(call(4, { sendResultsTo: { yourself: null } })),
      sent({ return: { answerId: 0, takeFromOtherQuestion: 4 } }),
      sent({ return: { answerId: 1, takeFromOtherQuestion: 4 } }),
    ],
  ],
  'third-party tail call': [
    [received(call(0)), sent({ return: { answerId: 0, acceptFromThirdParty: null } })],
  ],
  'no Finish needed': [
    [
      received(call(0)),
      sent({ return: { answerId: 0, noFinishNeeded: true, results: { capTable: [{ senderHosted: 1 }] } } }),
    ],
  ],
  'kind of an export': [
    [...IMPORTED, sent(call(1, params({ senderHosted: 5 }))), sent(call(2, params({ senderPromise: 5 })))],
  ],
  'resolved promise': [
    [
      ...IMPORTED,
      sent(call(1, params({ senderPromise: 5 }))),
      sent({ resolve: { promiseId: 5, cap: { senderHosted: 6 } } }),
      sent(call(2, params({ senderPromise: 5 }))),
    ],
  ],
  'one Resolve': [
    [sent({ resolve: { promiseId: 5, exception: { reason: 'no' } } })],
    [
      ...IMPORTED,
      sent(call(1, params({ senderHosted: 5 }))),
      sent({ resolve: { promiseId: 5, cap: { senderHosted: 6 } } }),
    ],
    [
      ...IMPORTED,
      sent(call(1, params({ senderPromise: 5 }))),
      sent({ resolve: { promiseId: 5, cap: { senderHosted: 6 } } }),
      sent({ resolve: { promiseId: 5, cap: { senderHosted: 6 } } }),
    ],
    // The peer has released it.
    [
      ...IMPORTED,
      sent(call(1, params({ senderPromise: 5 }))),
      received({ release: { id: 5, referenceCount: 1 } }),
      sent({ resolve: { promiseId: 5, cap: { senderHosted: 6 } } }),
    ],
  ],
  'released import': [
    [sent(call(1))],
    [...IMPORTED, sent({ release: { id: 0, referenceCount: 1 } }), sent(call(1))],
    [...IMPORTED, sent(call(1, params({ receiverHosted: 8 })))],
  ],
  'reference count': [
    [...IMPORTED, sent({ release: { id: 0, referenceCount: 2 } })],
    // What a Return has given back is not released again.
    [
      received(call(0, params({ senderHosted: 3 }))),
      sent({ return: { answerId: 0, releaseParamCaps: true, results: {} } }),
      sent({ release: { id: 3, referenceCount: 1 } }),
    ],
    // Nor is what a Finish has.
    [
      sent({ bootstrap: { questionId: 9 } }),
      received(results(9, { senderHosted: 0 })),
      sent(finish(9, true)),
      sent({ release: { id: 0, referenceCount: 1 } }),
    ],
    // Results that come after a Finish that released them have given nothing.
    [
      sent({ bootstrap: { questionId: 9 } }),
      sent(finish(9, true)),
      received(results(9, { senderHosted: 0 })),
      sent({ release: { id: 0, referenceCount: 1 } }),
    ],
  ],
  'embargo id': [
    [
      ...IMPORTED,
      sent({ disembargo: { target: { importedCap: 0 }, context: { senderLoopback: 0 } } }),
      sent({ disembargo: { target: { importedCap: 0 }, context: { senderLoopback: 0 } } }),
    ],
  ],
  'echo of a disembargo': [
    [...IMPORTED, sent({ disembargo: { target: { importedCap: 0 }, context: { receiverLoopback: 0 } } })],
    [
      ...IMPORTED,
      received({ disembargo: { target: { importedCap: 1 }, context: { senderLoopback: 0 } } }),
      sent({ disembargo: { target: { importedCap: 0 }, context: { receiverLoopback: 0 } } }),
      sent({ disembargo: { target: { importedCap: 0 }, context: { receiverLoopback: 0 } } }),
    ],
  ],
  'echo of what is not understood': [
    [sent({ unimplemented: { join: { questionId: 1 } } })],
    [received({ join: { questionId: 2 } }), sent({ unimplemented: { join: { questionId: 1 } } })],
  ],
  'nothing after Abort': [
    [sent({ abort: { reason: 'enough' } }), sent({ bootstrap: { questionId: 0 } })],
    [received({ abort: { reason: 'enough' } }), sent({ bootstrap: { questionId: 0 } })],
  ],
  'nothing is left': [
    [sent({ bootstrap: { questionId: 9 } })],
    [received(call(0))],
    [received(call(0)), sent(results(0, { senderHosted: 4 })), received(finish(0))],
    [...IMPORTED],
    [received({ disembargo: { target: { importedCap: 1 }, context: { senderLoopback: 0 } } })],
  ],
};

describe('the oracle', () => {
  for (const [invariant, traces] of Object.entries(FORGED)) {
    it.each(traces.map((trace, i) => [i, trace] as const))(
      `catches what breaks "${invariant}" (%i)`,
      (_i, trace) => {
        const quiet = invariant === 'nothing is left';
        const found = violations(trace, quiet);
        expect(found.map((violation) => violation.invariant)).toContain(invariant);
        // And catches it there, not before.
        expect(found.every(({ at }) => at >= trace.length - 1)).toBe(true);
        expect(found.some((each) => each.invariant === invariant && each.at >= trace.length - 1)).toBe(true);
      },
    );
  }

  it('has a forged trace for each invariant', () => {
    expect(Object.keys(FORGED).toSorted()).toEqual(Object.keys(INVARIANTS).toSorted());
  });

  it('finds nothing in a trace that is as it should be, to its end', () => {
    const trace = [
      ...IMPORTED,
      sent(call(1, params({ senderPromise: 5 }, { senderPromise: 5 }))),
      sent(call(2, { target: pipelined(1) })),
      sent({ resolve: { promiseId: 5, cap: { senderHosted: 6 } } }),
      received({ release: { id: 5, referenceCount: 2 } }),
      received({
        return: { answerId: 1, releaseParamCaps: false, results: { capTable: [{ senderHosted: 1 }] } },
      }),
      received({ release: { id: 6, referenceCount: 1 } }),
      sent(finish(2, true)),
      received({ return: { answerId: 2, releaseParamCaps: false, canceled: null } }),
      sent(finish(1, true)),
      sent(call(1)),
      received({ return: { answerId: 1, noFinishNeeded: true, results: {} } }),
      sent({ release: { id: 0, referenceCount: 1 } }),
    ];
    expect(violations(trace, true)).toEqual([]);
  });
});
