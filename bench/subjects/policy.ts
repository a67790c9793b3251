import { arrangeBroker, subject as brokered } from './brokered.js';
import { echoType } from './direct.js';
import type { Subject } from './subject.js';

const YEAR_MILLIS = 365 * 24 * 3600 * 1000;

export const subject: Subject = {
  ...brokered,
  name: 'policy',
  title: 'Sturdy, brokered, with a policy',
  what: 'The same, through a grant that allows two methods by name, the first with a payload of at most 2 MiB, has a rate that is never reached, expires in a year, and may not be delegated.',
  arrange: (stage) =>
    arrangeBroker(stage, {
      methods: { only: [{ interface: echoType().id, methods: ['echo', 'next'] }] },
      constraints: [
        {
          interface: echoType().id,
          method: 'echo',
          field: ['payload'],
          measure: 'length',
          operator: 'atMost',
          values: [{ integer: 2n ** 21n }],
        },
      ],
      rates: [{ calls: 500_000_000, perMillis: 1000, burst: 500_000_000 }],
      expires: BigInt(Date.now() + YEAR_MILLIS),
      delegable: false,
    }),
};
