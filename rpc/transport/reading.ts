/**
 * Reading of a socket into memory that is there already. Node offers it (`onread`) only for sockets that one makes oneself, not
 * for those that a server accepts: otherwise there is a new buffer of 64 KiB for each read, which costs more than all that is
 * done with a small message. What `onread` sets is set here on any socket that has not been read from yet.
 */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setImmediate } from 'node:timers';

export interface Reader {
  /** Where to read the next bytes to. What this is at first must be good for ever. */
  readonly memory: Uint8Array;
  /** So many bytes have been read into that. */
  read(bytes: number): void;
}

/** What Node keeps the options of `onread` by. Null: it is none of the versions that are known. */
const fields = (() => {
  const symbols = Object.getOwnPropertySymbols(new Socket());
  const [buffer, next, callback] = ['kBuffer', 'kBufferGen', 'kBufferCb'].map((name) =>
    symbols.find(({ description }) => description === name),
  );
  return buffer && next && callback ? { buffer, next, callback } : null;
})();

interface Handle {
  useUserBuffer?(buffer: Uint8Array): void;
}

/** Has everything that comes read by `reader` from now on, if `stream` is a socket of the system's; whether it is. */
export function readInto(stream: Duplex, reader: Reader): boolean {
  // A TLSSocket is one, too, but has its bytes from another.
  if (fields === null || Object.getPrototypeOf(stream) !== Socket.prototype || stream.readableLength > 0)
    return false;
  const handle = (stream as unknown as { readonly _handle: Handle | null })._handle;
  if (typeof handle?.useUserBuffer !== 'function') return false;
  const { memory } = reader;
  // The system reads to where it was told last. So nothing may be thrown here: it would go on to read into what is somebody else's by then.
  const fail = (error: unknown): void => {
    stream.destroy();
    setImmediate(() => {
      throw error;
    });
  };
  Object.assign(stream, {
    [fields.buffer]: memory,
    [fields.next]: () => {
      try {
        if (!stream.destroyed) return reader.memory;
      } catch (error) {
        fail(error);
      }
      return memory;
    },
    [fields.callback]: (bytes: number) => {
      try {
        reader.read(bytes);
      } catch (error) {
        fail(error);
      }
      return true;
    },
  });
  handle.useUserBuffer(memory);
  stream.resume();
  return true;
}
