import { describe, expect, it } from 'vitest';
import { MAX_ERROR_MESSAGE, RpcError } from '../../rpc/index.js';

// biome-ignore lint/suspicious/noExplicitAny: what a program that nobody checked passes
const hostile = (value: unknown): any => value;

describe('an RpcError', () => {
  it('cannot be changed: a program that gets one cannot put a value of its own into it', () => {
    const error = new RpcError('failed', 'no', { code: 'ERR_NO' });
    for (const name of ['message', 'type', 'code', 'name'])
      expect(() => Object.defineProperty(error, name, { get: () => ({}) })).toThrow(TypeError);
    expect(RpcError.from(error)).toBe(error);
  });

  it('has text for a message, whatever it was made of', () => {
    expect(new RpcError('failed', hostile({ length: 1, toString: () => 'text' })).message).toBe('text');
    const long = hostile({ length: 1, toString: () => 'x'.repeat(2 * MAX_ERROR_MESSAGE) });
    expect(new RpcError('failed', long).message).toHaveLength(MAX_ERROR_MESSAGE);
  });

  it('is of one of the four types, and has text for a code', () => {
    expect(() => new RpcError(hostile({ toString: () => 'failed' }), 'no')).toThrow(
      'the type of an RpcError is one of failed, overloaded, disconnected, unimplemented',
    );
    expect(new RpcError('failed', 'no', { code: hostile({}) }).code).toBe('ERR_RPC_FAILED');
  });

  it('has its own message, and none of a prototype that a program gave it', () => {
    class Mine extends RpcError {}
    Object.defineProperty(Mine.prototype, 'message', { get: () => ({}) });
    expect(new Mine('failed', 'no').message).toBe('no');
    expect(new Mine('failed', hostile(undefined)).message).toBe('undefined');
  });
});
