// A host on a machine that is busy: its process is there for some seconds before it can say anything.
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 8_000);
await import('../../../dist/worker/host.js');
