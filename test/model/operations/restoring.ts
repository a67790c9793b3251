/** Showing references at the gate: good ones, dead ones, such as restore once, and what never was one. */
import { ImportedCapability, stubFor } from 'sturdy/rpc';
import type { AnyStub } from '../../broker/running.js';
import type { Random } from '../../hostile/fuzz.js';
import { CELL } from '../domains.js';
import type { Failure, Outcome } from '../outcomes.js';
import type { Grant } from '../reference/grant.js';
import type { Trial } from '../trial.js';
import { anyGrant, type Operation, referenced } from './operation.js';

/** By any secret that the grant has or had. */
export const restore: Operation = {
  name: 'restore',
  weight: 36,
  async run(trial, choose) {
    const grant = anyGrant(trial.reference, choose, referenced(trial.reference))!;
    await restoreOf(trial, choose, grant, choose.pick(grant.secrets));
  },
};

export async function restoreOf(
  trial: Trial,
  choose: Random,
  grant: Grant,
  secret: Uint8Array = grant.secret!,
): Promise<void> {
  const { reference } = trial;
  const client = choose.pick([...reference.clients.values()]);
  const { value, error } = await trial.try(trial.connection(client).client.restore(secret, CELL));
  trial.note(`restored ${grant.id}: ${error?.message ?? 'an object'}`);
  if (!reference.restores(client, grant, secret)) {
    checkNoSuch(trial, grant, error);
    return;
  }
  if (error !== undefined) trial.fault(`grant ${grant.id} could not be restored: ${error.message}`);
  trial.receive(client, reference.restored(client, grant), value!);
}

/** So that there is something in somebody's hands. */
export async function restoreSome(trial: Trial, choose: Random): Promise<void> {
  const grants = referenced(trial.reference);
  for (let i = 0; i < 4; i++) await restoreOf(trial, choose, anyGrant(trial.reference, choose, grants)!);
}

/** Of several that show a reference that restores once, at once, one gets the object. */
export const restoreOnceRace: Operation = {
  name: 'restore once, several at once',
  weight: 9,
  can: (model) => referenced(model).some(({ once }) => once),
  async run(trial, choose) {
    const { reference } = trial;
    const grant = anyGrant(
      reference,
      choose,
      referenced(reference).filter(({ once }) => once),
    )!;
    const clients = [...reference.clients.values()];
    const outcomes = await Promise.all(
      clients.map((client) => trial.try(trial.connection(client).client.restore(grant.secret!, CELL))),
    );
    const through = clients.filter((_, i) => outcomes[i]!.error === undefined);
    const expected = clients.some((client) => reference.restores(client, grant, grant.secret!)) ? 1 : 0;
    const unlawful = through.filter(({ party }) => !(reference.flow?.permits(grant.domain, party) ?? true));
    if (unlawful.length > 0) trial.fault(`${unlawful[0]!.party} restored ${grant.id}`);
    if (through.length !== expected) {
      trial.fault(
        `${through.length} got the object of ${grant.id} by its reference, and ${expected} were to`,
      );
    }
    for (const [i, { value, error }] of outcomes.entries()) {
      if (value === undefined) checkNoSuch(trial, grant, error);
      else trial.receive(clients[i]!, reference.restored(clients[i]!, grant), value);
    }
  },
};

/** What was asked of the gate by itself. */
export async function restoreOutcome(
  trial: Trial,
  pending: PromiseLike<{ cap: AnyStub }>,
): Promise<Outcome<AnyStub>> {
  const { value, error } = await trial.try(pending);
  return value === undefined ? { error: error! } : { value: value.cap };
}

export function checkNoSuch(trial: Trial, grant: Grant, error: Failure | undefined): void {
  if (error?.message === 'no such reference') return;
  trial.fault(
    `grant ${grant.id} is not to be restored by this secret, and restoring it came to: ${error?.message ?? 'an object'}`,
  );
}

/** What was never minted, or never given to this connection, is nothing. */
export const forge: Operation = {
  name: 'forge',
  weight: 12,
  async run(trial, choose) {
    const client = await trial.system.connect();
    try {
      const known = anyGrant(trial.reference, choose, referenced(trial.reference))!;
      const secret = Uint8Array.from(known.secret!);
      const kind = choose.below(3);
      if (kind === 0) secret[choose.below(secret.length)]! ^= 1 << choose.below(8);
      if (kind < 2) {
        const shown = kind === 1 ? secret.subarray(0, choose.below(secret.length)) : secret;
        checkNoSuch(trial, known, (await trial.try(client.restore(shown, CELL))).error);
        return;
      }
      // An import of others' is not in this connection's table.
      const imported = new ImportedCapability(client.session.connection, 8 + choose.below(64));
      using forged = stubFor(imported, CELL);
      const { error } = await trial.try((forged as AnyStub).read!({ token: trial.token() }));
      if (error?.type !== 'disconnected') trial.fault(`a forged import came to: ${error?.message}`);
    } finally {
      client.session.close();
    }
  },
};
