/** A connection for as long as one command works. What is lost then is lost: a command does not come back. */
import { type BrokerSession, connect, type Delegable, type SturdyRef } from '../../client/index.js';
import { sturdySchema } from '../../schema/index.js';

/** Does `work` with the object of `ref`, as what every object is. */
export async function connected<T>(
  ref: SturdyRef,
  work: (object: Delegable, session: BrokerSession) => Promise<T>,
): Promise<T> {
  const session = await connect(ref, { reconnect: false });
  try {
    return await work(session.restore<Delegable>(ref, sturdySchema().interface('Delegable')), session);
  } finally {
    session.close();
  }
}
