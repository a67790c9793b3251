/** The broker's own parts, with a real store and a home that is played by the test. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Audit } from '../../broker/audit.js';
import { NOWHERE } from '../../broker/bag.js';
import { Delegation } from '../../broker/delegable.js';
import { gate } from '../../broker/gate.js';
import { Grants } from '../../broker/grants.js';
import type { Home } from '../../broker/home.js';
import type { LiveGrant } from '../../broker/live-grant.js';
import { createLogger } from '../../broker/log.js';
import { ClientPace } from '../../broker/pace.js';
import { peerOf } from '../../broker/peer.js';
import { Refusals } from '../../broker/refusals.js';
import { LmdbStore } from '../../broker/store/lmdb-store.js';
import type { GrantOwner } from '../../broker/store/store.js';
import { RpcError, served } from '../../rpc/index.js';
import { sturdySchema, sturdySchemaBytes } from '../../schema/index.js';
import type { AnyStub } from './running.js';

const graph = sturdySchema();
const log = createLogger({ level: 'silent' });
const NO_SUCH = { type: 'failed', message: 'no such reference', code: 'ERR_RPC_EXCEPTION' };
const DOMAIN: GrantOwner = { kind: 'domain', id: '0'.repeat(26) };

let folder: string;
let store: LmdbStore;
let grants: Grants;
let home: Home;
let audit: Audit;
/** What the home does when it is asked for its object. */
let give: () => Promise<void>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sturdy-grants-'));
  store = await LmdbStore.open(folder);
  audit = new Audit(store, log);
  give = async () => {};
  const clock = { now: () => ({ unixMillis: 1n }) };
  home = {
    id: await store.domainId('clock'),
    name: 'clock',
    graph,
    schema: sturdySchemaBytes(),
    lane: () => null,
    restore: async () => {
      await give();
      return served(graph.interface('Clock'), clock);
    },
    identify: async () => null,
  };
  grants = new Grants(store, () => home);
});
afterEach(async () => {
  await audit.close();
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const mint = (more: Partial<Parameters<Grants['mint']>[0]> = {}) =>
  grants.mint({ parent: null, home, object: 'clock', label: '', by: 'the test', ...more });

/** Restores as this holder, on a connection of its own. */
async function restore(secret: Uint8Array, holder: GrantOwner = { kind: 'anyone' }): Promise<AnyStub> {
  const homeOf = () => home;
  const services = new Delegation(grants, homeOf, audit);
  const refusals = new Refusals(log);
  const peer = peerOf(holder, undefined, 1);
  using own = gate({
    grants,
    homeOf,
    services,
    holder,
    peer,
    refusals,
    audit,
    flow: null,
    pace: new ClientPace(),
  }).bootstrap;
  const { cap } = await (own as AnyStub).restore({ ref: { secret } });
  return (cap as AnyStub).as<AnyStub>(graph.interface('Clock'));
}

const refusal = (secret: Uint8Array, holder?: GrantOwner) =>
  restore(secret, holder).then(
    () => null,
    ({ type, message, code }: RpcError) => ({ type, message, code }),
  );

describe('a reference that restores once', () => {
  it('is not used up by a restore that fails', async () => {
    const { secret } = await mint({ once: true });
    give = async () => {
      throw new RpcError('disconnected', 'domain clock cannot be started');
    };
    await expect(restore(secret!)).rejects.toThrow('cannot be started');
    give = async () => {};
    await restore(secret!);
    expect(await refusal(secret!)).not.toBeNull();
  });

  it('is used up on disk before anything of the object is given', async () => {
    const { secret, grant } = await mint({ once: true });
    const order: string[] = [];
    const use = vi.spyOn(store, 'useOnce').mockImplementation(async (...args) => {
      const used = await LmdbStore.prototype.useOnce.apply(store, args);
      order.push(`used: ${store.grant(grant.row.id)!.amended?.used !== null}`);
      return used;
    });
    await restore(secret!);
    order.push('restored');
    expect(order).toEqual(['used: true', 'restored']);
    expect(use).toHaveBeenCalledTimes(1);
  });

  it('goes to one of many who restore it while its domain starts, and the others get what strangers get', async () => {
    const { secret } = await mint({ once: true });
    let started = () => {};
    const starting = new Promise<void>((resolve) => {
      started = resolve;
    });
    give = () => starting;
    const asked = Array.from({ length: 10 }, () => refusal(secret!));
    started();
    const answers = await Promise.all(asked);
    const stranger = await refusal(new Uint8Array(33));
    expect(stranger).toMatchObject({ type: NO_SUCH.type, message: NO_SUCH.message });
    expect(answers.filter((answer) => answer === null)).toHaveLength(1);
    for (const answer of answers.filter((each) => each !== null)) expect(answer).toEqual(stranger);
  });

  it('that was used up is refused and audited like any other, and its use with who used it', async () => {
    const { secret, grant } = await mint({ once: true });
    const uid = { kind: 'unixUser', uid: 7 } as const;
    await restore(secret!, uid);
    expect(await refusal(secret!, uid)).toEqual(await refusal(new Uint8Array(33)));
    // One that loses while the domain starts is refused in the same place.
    const other = await mint({ once: true });
    await Promise.all([refusal(other.secret!, uid), refusal(other.secret!, uid)]);
    await audit.close();
    const entries = store.audit(0, 100);
    const of = (action: string) => entries.filter((each) => each.action === action);
    expect(of('grant.use')).toMatchObject([
      { grant: grant.row.id, by: 'gate', peer: 'unix uid 7, connection 1' },
      { grant: other.grant.row.id, by: 'gate', peer: 'unix uid 7, connection 1' },
    ]);
    const refused = of('restore.refuse').map(({ grant: id, peer, detail }) => [
      id,
      peer,
      detail!.slice(0, 7),
    ]);
    expect(refused.sort()).toEqual(
      [
        [grant.row.id, 'unix uid 7', '1 time '],
        [other.grant.row.id, 'unix uid 7', '1 time '],
        [undefined, 'unix', '1 time '],
      ].sort(),
    );
  });

  it('that is revoked while it is being restored is not good any more', async () => {
    const { secret, grant } = await mint({ once: true });
    give = async () => void (await grants.revoke(grant.row.id, 'the test'));
    expect(await refusal(secret!)).toEqual(await refusal(new Uint8Array(33)));
  });
});

describe('a reference that gets another secret', () => {
  it('is not restored any more by one that was asked for before, where there is no overlap', async () => {
    const { secret, grant } = await mint();
    give = async () => void (await grants.rotate(grant.row.id, 0, 'the test'));
    expect(await refusal(secret!)).toEqual(await refusal(new Uint8Array(33)));
  });
});

describe('a sealed reference', () => {
  it('stays sealed when it has another secret, and is not used up by anybody else', async () => {
    const { secret: first, grant } = await mint({ once: true, owner: DOMAIN });
    const second = await grants.rotate(grant.row.id, 60_000, 'the test');
    const others: (GrantOwner | undefined)[] = [
      undefined,
      { kind: 'domain', id: '1'.repeat(26) },
      { kind: 'unixUser', uid: 0 },
    ];
    const stranger = await refusal(new Uint8Array(33));
    for (const secret of [first!, second])
      for (const other of others) expect(await refusal(secret, other)).toEqual(stranger);
    expect(await refusal(second, DOMAIN)).toBeNull();
    expect(await refusal(first!, DOMAIN)).toEqual(stranger);
  });

  it('is good for its owner by both secrets as long as they overlap', async () => {
    const { secret: first, grant } = await mint({ owner: DOMAIN });
    const second = await grants.rotate(grant.row.id, 60_000, 'the test');
    for (const secret of [first!, second]) expect(await refusal(secret, DOMAIN)).toBeNull();
    await grants.rotate(grant.row.id, 0, 'the test');
    for (const secret of [first!, second]) expect(await refusal(secret, DOMAIN)).not.toBeNull();
  });
});

describe('a revocation', () => {
  it('looks at the live grants of its own tree and at no others', async () => {
    const held: LiveGrant[] = [];
    const tree = async (parent: LiveGrant, children: number): Promise<LiveGrant> => {
      const minted = await Promise.all(Array.from({ length: children }, () => mint({ parent })));
      held.push(...minted.map(({ grant }) => grant));
      return parent;
    };
    const small = await tree((await mint()).grant, 5);
    const below = await tree(held[0]!, 5);
    for (let i = 0; i < 20; i++) await tree((await mint()).grant, 20);
    const looked = vi.spyOn(WeakRef.prototype, 'deref');
    try {
      await grants.revoke(below.row.id, 'the test');
      // Itself and its five children; nothing of the twenty other trees, nor of its own above and beside it.
      expect(looked.mock.calls.length).toBeLessThanOrEqual(8);
      looked.mockClear();
      await grants.revoke(small.row.id, 'the test');
      expect(looked.mock.calls.length).toBeLessThanOrEqual(14);
    } finally {
      looked.mockRestore();
    }
    expect(held.filter((grant) => grant.dead() !== null)).toHaveLength(10);
  });

  it('reaches what is in use below a grant that nobody uses itself', async () => {
    const { grant: top } = await mint();
    const { grant: leaf } = await mint({ parent: (await mint({ parent: top })).grant });
    await grants.revoke(top.row.id, 'the test');
    expect(leaf.dead()).toMatchObject({ message: `the grant was revoked (${leaf.row.id})` });
  });
});

describe('an amendment', () => {
  const amendExpiry = ({ row }: LiveGrant, expires: number) =>
    grants.amend(
      row.id,
      'narrow',
      ({ policy }) => ({ policy: { ...policy, expires }, bound: policy }),
      'the test',
    );

  it('of an expiry ends what is under way below the grant at once, or when the time has come, and not before', async () => {
    const { grant: above } = await mint();
    const { grant } = await mint({ parent: (await mint({ parent: above })).grant });
    const cut: string[] = [];
    const part = (name: string) =>
      grant.enter({ is: 'call', place: NOWHERE, cut: ({ code }) => void cut.push(`${name}: ${code}`) });
    part('first');
    await amendExpiry(above, Date.now() + 3_600_000);
    expect([grant.dead(), cut]).toEqual([null, []]);
    await amendExpiry(above, 1);
    expect(cut).toEqual(['first: ERR_GRANT_EXPIRED']);
    expect(grant.dead()).toMatchObject({ code: 'ERR_GRANT_EXPIRED' });
    await amendExpiry(above, 0);
    expect(grant.dead()).toBeNull();
    part('second');
    await amendExpiry(above, Date.now() + 300);
    expect(cut).toHaveLength(1);
    await expect
      .poll(() => cut, { timeout: 20_000 })
      .toEqual(['first: ERR_GRANT_EXPIRED', 'second: ERR_GRANT_EXPIRED']);
  });

  it('is not acknowledged, and binds nothing, where the disk does not take it', async () => {
    const { grant, secret } = await mint();
    const failing = vi.spyOn(store, 'amendPolicy').mockRejectedValue(new Error('the disk is full'));
    await expect(amendExpiry(grant, 1)).rejects.toThrow('the disk is full');
    failing.mockRestore();
    expect(grant.dead()).toBeNull();
    await restore(secret!);
  });

  it('has one order on disk and in use, however many come at once', async () => {
    const { grant } = await mint();
    const asked = Array.from({ length: 20 }, (_, i) =>
      grants.amend(
        grant.row.id,
        'extend',
        ({ policy }) => ({ policy: { ...policy, expires: 4_000_000_000_000 + i }, bound: policy }),
        'the test',
      ),
    );
    await Promise.all(asked);
    expect(grant.row).toEqual(store.grant(grant.row.id));
    expect(grant.row.policy.expires).toBe(4_000_000_000_019);
  });
});
