import { describe, expect, it } from 'vitest';
import { type CpuProfile, sharesOf } from '../../bench/layers.js';

/** A profile of samples of 1 ms each, in functions by name and place. */
function profileOf(...samples: [name: string, url: string][]): CpuProfile {
  return {
    nodes: samples.map(([functionName, url], id) => ({ id, callFrame: { functionName, url } })),
    samples: samples.map((_, id) => id),
    timeDeltas: samples.map(() => 1000),
  };
}

describe('the layers of a profile', () => {
  it('are told by the folder of a function, by Node and by the engine', () => {
    const profile = profileOf(
      ['receive', 'file:///x/dist/rpc/connection.js'],
      ['send', 'file:///x/dist/rpc/transport/stream.js'],
      ['call', 'file:///x/dist/broker/membrane.js'],
      ['echo', 'file:///x/dist/bench/load.js'],
      ['pack', 'file:///x/node_modules/msgpackr/pack.js'],
      ['onStreamRead', 'node:internal/stream_base_commons'],
      ['runMicrotasks', ''],
      ['writeBuffer', ''],
      ['(program)', ''],
      ['(garbage collector)', ''],
    );
    expect(sharesOf(profile, 1)).toEqual({
      'rpc/': 0.2,
      'broker/': 0.1,
      'the load of the bench': 0.1,
      packages: 0.1,
      'streams and sockets of Node': 0.1,
      'builtins of the engine': 0.1,
      'system calls and the engine': 0.2,
      'garbage collection': 0.1,
    });
  });

  it('are parts of the time that the process was busy at its end', () => {
    const load: [string, string] = ['load', 'file:///x/dist/schema/graph.js'];
    const call: [string, string] = ['receive', 'file:///x/dist/rpc/connection.js'];
    const idle: [string, string] = ['(idle)', ''];
    expect(sharesOf(profileOf(load, load, load, call, idle, idle, idle, call, idle), 0.002)).toEqual({
      'rpc/': 1,
    });
  });
});
