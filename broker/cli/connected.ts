/**
 * A connection for as long as one command works. What is lost then is lost: a command does not come back, and it does not
 * wait for ever for a broker that says nothing.
 */
import { type BrokerSession, connect, type Delegable, RpcError, type SturdyRef } from '../../client/index.js';
import { sturdySchema } from '../../schema/index.js';

/** Does `work` with the object of `ref`, as what every object is; for so many seconds at most, or, with null, for any time. */
export async function connected<T>(
  ref: SturdyRef,
  seconds: number | null,
  work: (object: Delegable, session: BrokerSession) => Promise<T>,
): Promise<T> {
  const limit = seconds === null ? {} : { connectTimeout: seconds * 1000 };
  const session = await connect(ref, { reconnect: false, ...limit });
  try {
    const object = session.restore<Delegable>(ref, sturdySchema().interface('Delegable'));
    return await within(seconds, work(object, session));
  } finally {
    session.close();
  }
}

/** What `answer` gives, if it does in time. */
export async function within<T>(seconds: number | null, answer: Promise<T>): Promise<T> {
  if (seconds === null) return answer;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const message = `the broker did not answer within ${seconds} s`;
      reject(new RpcError('disconnected', message, { code: 'ERR_TIMEOUT' }));
    }, seconds * 1000);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
