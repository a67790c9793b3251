/**
 * A domain that nobody has to trust with a key: it fetches reports from a service that wants one, and files them. What it can reach is
 * one origin and one directory; the key goes with its requests, and it never learns it.
 */
import type { Program, World } from 'sturdy/worker';

/** As much of the powers as is used here. See `Http`, `Secret` and `Directory` in sturdy.capnp. */
interface Powers {
  readonly http: {
    request(params: { request: Request }): Promise<{ response: { status: number; body: Uint8Array } }>;
  };
  readonly reports: {
    write(params: { path: string; offset: bigint; data: Uint8Array; truncate: boolean }): Promise<unknown>;
  };
  /** Stands for the key wherever a header of a request is made. */
  readonly key: object;
}

interface Request {
  readonly method?: string;
  readonly url: string;
  readonly headers?: readonly ({ name: string } & ({ text: string } | { secret: object }))[];
}

export default function start(world: World<Powers>): Program {
  const { http, reports, key } = world.grants;
  const authorization = { name: 'authorization', secret: key };

  return {
    main: {
      async fetch({ service, name }: { service: string; name: string }) {
        const url = `${service}/reports/${encodeURIComponent(name)}`;
        const { response } = await http.request({ request: { url, headers: [authorization] } });
        if (response.status !== 200) throw new Error(`the service answers ${response.status} for ${name}`);
        await reports.write({ path: `${name}.txt`, offset: 0n, data: response.body, truncate: true });
        return { bytes: response.body.length };
      },

      async attempts({ service }: { service: string }) {
        const data = new Uint8Array();
        const tries: Promise<unknown>[] = [
          http.request({ request: { url: 'http://127.0.0.1:1/' } }),
          http.request({ request: { url: `${service}/`, method: 'DELETE' } }),
          http.request({ request: { url: `${service}/`, headers: [{ name: 'x-echo', secret: key }] } }),
          reports.write({ path: '../elsewhere', offset: 0n, data, truncate: true }),
        ];
        const ended = await Promise.allSettled(tries);
        return {
          attempts: ended.map((end) => (end.status === 'rejected' ? end.reason.message : 'escaped')),
        };
      },
    },
  };
}
