/**
 * The file in which the example keeps its references, one line each: a name, a blank, the reference. Who can read it can
 * use them all, so it is its owner's alone, and nothing here ever writes a reference anywhere else.
 */

import { randomUUID } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { type BrokerSession, connect, type Delegable, type Operator, SturdyRef } from '../../client/index.js';
import { sturdySchema } from '../../schema/index.js';
import { exampleSchema } from './place.js';

const protocol = sturdySchema();

export class ExampleRefs {
  readonly session: BrokerSession;
  readonly #path: string;
  readonly #operatorRef: SturdyRef;
  readonly #old: ReadonlyMap<string, SturdyRef>;
  readonly #refs = new Map<string, SturdyRef>();

  private constructor(
    path: string,
    session: BrokerSession,
    operator: SturdyRef,
    old: Map<string, SturdyRef>,
  ) {
    this.session = session;
    this.#path = path;
    this.#operatorRef = operator;
    this.#old = old;
  }

  /** Reads the file, if there is one, and connects as the operator. */
  static async open(path: string, operatorRefPath: string): Promise<ExampleRefs> {
    const operator = SturdyRef.parse((await readFile(operatorRefPath, 'utf8')).trim());
    return new ExampleRefs(path, await connect(operator), operator, await readRefs(path));
  }

  get names(): string[] {
    return [...this.#refs.keys()];
  }

  get(name: string): SturdyRef {
    const ref = this.#refs.get(name);
    if (!ref) throw new Error(`there is no reference ${name}; there are ${this.names.join(', ')}`);
    return ref;
  }

  /** The reference `name` to an object of a domain: the one in the file, or else a new one. */
  async object(name: string, domain: string, object: string): Promise<void> {
    await this.#keep(name, async () => {
      const operator = this.session.restore<Operator>(this.#operatorRef, protocol.interface('Operator'));
      return (await operator.mint({ domain, object, label: `example: ${name}` })).ref;
    });
  }

  /** The reference `name` to the object of the reference `of`, for some methods only. */
  async facet(name: string, of: string, interfaceName: string, methods: readonly string[]): Promise<void> {
    await this.#keep(name, async () => {
      const whole = this.session.restore<Delegable>(this.get(of), protocol.interface('Delegable'));
      const only = [{ interface: exampleSchema().interface(interfaceName).id, methods }];
      return (await whole.attenuate({ policy: { methods: { only } }, label: `example: ${name}` })).ref;
    });
  }

  close(): void {
    this.session.close();
  }

  async #keep(name: string, mint: () => Promise<{ secret: Uint8Array }>): Promise<void> {
    const old = this.#old.get(name);
    const kept = old && (await this.#restores(old)) ? old : undefined;
    this.#refs.set(name, kept ?? SturdyRef.of((await mint()).secret, this.#operatorRef.address));
    // At once, and with those of the file that were not looked at yet: none is lost where a later step fails.
    if (!kept) await writeRefs(this.#path, new Map([...this.#old, ...this.#refs]));
  }

  /** Whether a reference of an earlier run is still good; one that was revoked, or is of other data, is not. */
  async #restores(ref: SturdyRef): Promise<boolean> {
    try {
      await this.session.restore<Delegable>(ref, protocol.interface('Delegable')).describe({});
      return true;
    } catch (error) {
      if ((error as Error).message.includes('no such reference')) return false;
      throw error;
    }
  }
}

/** The references by their names; none where there is no file. @throws SturdyRefError where one is malformed. */
async function readRefs(path: string): Promise<Map<string, SturdyRef>> {
  const refs = new Map<string, SturdyRef>();
  for (const line of (await textOf(path)).split('\n').filter((line) => line !== '')) {
    const [name = '', printed = ''] = line.split(' ');
    refs.set(name, SturdyRef.parse(printed));
  }
  return refs;
}

/** Writes all of `refs`, or leaves the file as it was. */
export async function writeRefs(path: string, refs: ReadonlyMap<string, SturdyRef>): Promise<void> {
  const lines = Array.from(refs, ([name, ref]) => `${name} ${ref.format()}\n`);
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, lines.join(''), { mode: 0o600, flag: 'wx' });
  await rename(draft, path);
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
