import { denialClass, type Target } from '../harness/denial-class.js';

async function held({ main }: Target): Promise<string> {
  const abort = new AbortController();
  let told = 'out';
  const calls = Array.from({ length: 3000 }, () =>
    (main['wait']({}, { signal: abort.signal }) as Promise<unknown>).catch((error: Error) => {
      if (!abort.signal.aborted) told = error.message;
    }),
  );
  await Promise.race([...calls, new Promise((resolve) => setTimeout(resolve, 3000))]);
  abort.abort();
  await Promise.all(calls);
  return told;
}

export default denialClass({
  name: 'calls that never return',
  from: 'A method that promises, and does not keep it',
  rules: ['R7'],
  attempts: {
    'of one client': { drive: held, told: /as many calls in flight as it may/, bare: 'gets' },
  },
});
