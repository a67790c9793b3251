/** A domain of the model test: Cell of model.capnp. It knows nothing of grants; it says what reached it, and passes on what it has. */
interface Cell {
  read(params: { token: number }): Promise<{ place: string; number: number }>;
  write(params: { token: number }): Promise<{ place: string; number: number }>;
  dup(): Cell;
  [Symbol.dispose](): void;
}

interface World {
  readonly name: string;
  readonly grants: {
    readonly peer?: Cell;
    readonly log: { write(params: { level: string; message: string }): Promise<unknown> };
  };
  object<T extends object>(interfaceName: string, objectId: string, implementation: T): T;
  own(stub: object): Promise<{ object: string; allows(method: string): boolean } | null>;
}

interface Signal {
  addEventListener(type: 'abort', listener: () => void): void;
}

export default function start(world: World) {
  const cells = new Map<string, object>();
  const kept = new Map<number, Cell>();
  const tokens: number[] = [];
  /** Those that somebody was given, and has not let go of. */
  const alive = new Map<object, string>();

  const said = (error: unknown) => {
    const { type, message } = error as { type?: string; message?: string };
    world.grants.log.write({ level: 'info', message: `refused: ${message}` }).catch(() => {});
    return `${type ?? 'failed'}: ${message}`;
  };
  const asked = async (cell: Cell | undefined, write: boolean, token: number) => {
    if (cell === undefined) throw new Error('nothing is kept here');
    try {
      return { ...(await (write ? cell.write({ token }) : cell.read({ token }))), refused: '' };
    } catch (error) {
      return { place: '', number: 0, refused: said(error) };
    }
  };

  /** The one object of this id, or one more without an id. */
  const cell = (id: string | null): object => {
    const known = id === null ? undefined : cells.get(id);
    if (known !== undefined) {
      alive.set(known, `${id}`);
      return known;
    }
    let number = 0;
    const place = `${world.name}/${id ?? '?'}`;
    const reached = ({ token }: { token: number }) => {
      tokens.push(token);
      return { place, number: ++number };
    };
    const made = {
      read: reached,
      write: reached,
      hold: ({ token }: { token: number }, { signal }: { signal: Signal }) => {
        tokens.push(token);
        return new Promise((_, reject) =>
          signal.addEventListener('abort', () => reject(new Error('it was cancelled'))),
        );
      },
      open: ({ id: other }: { id: string }) => ({ cell: cell(other === '' ? null : other) }),
      keep: async ({ cell: passed, slot }: { cell: Cell; slot: number }) => {
        kept.get(slot)?.[Symbol.dispose]();
        kept.set(slot, passed.dup());
        try {
          const own = await world.own(passed);
          if (own === null) return { own: 'foreign' };
          return { own: `${own.object} ${own.allows('Cell.read')} ${own.allows('Cell.write')}` };
        } catch (error) {
          return { own: said(error) };
        }
      },
      kept: ({ slot }: { slot: number }) => {
        const found = kept.get(slot);
        if (found === undefined) throw new Error('nothing is kept here');
        return { cell: found };
      },
      ask: (params: { cell: Cell; write: boolean; token: number }) =>
        asked(params.cell, params.write, params.token),
      askKept: (params: { slot: number; write: boolean; token: number }) =>
        asked(kept.get(params.slot), params.write, params.token),
      echo: ({ cell: passed }: { cell: Cell }) => ({ cell: passed }),
      peer: () => ({ cell: world.grants.peer }),
      audit: () => ({ tokens, alive: [...alive.values()] }),
      forget: () => {
        for (const each of kept.values()) each[Symbol.dispose]();
        kept.clear();
        return {};
      },
    };
    // The main object is held by the broker.
    if (id === '') return made;
    const counted = {
      ...made,
      [Symbol.dispose]: () => {
        alive.delete(counted);
        if (id !== null && cells.get(id) === counted) cells.delete(id);
      },
    };
    alive.set(counted, id ?? '?');
    if (id !== null) cells.set(id, counted);
    return id === null ? counted : world.object('Cell', id, counted);
  };

  return { main: cell(''), restore: cell };
}
