/** A domain that does what the tests ask of it, and what a hostile one would. */
import type { CallContext, Start } from 'sturdy/worker';

const start: Start = (world) => {
  let cancelled = 0;
  const items = new Map<string, object>();
  const item = (id: string): object => {
    const known = items.get(id) ?? world.object('Item', id, { id: () => ({ id }), change: () => ({}) });
    items.set(id, known);
    return known;
  };
  const main = {
    echo: (params: object) => params,
    async evaluate({ source }: { source: string }) {
      const body = new Function('world', 'self', `return (async () => { ${source} })()`);
      const outcome: unknown = await body(world, main);
      return { outcome: typeof outcome === 'string' ? outcome : (JSON.stringify(outcome) ?? 'undefined') };
    },
    item: ({ id }: { id: string }) => ({ item: item(id) }),
    nameless: () => ({ item: { id: () => ({ id: 'none' }), change: () => ({}) } }),
    async whose({ item: passed }: { item: object }) {
      const own = await world.own(passed);
      return {
        answer:
          own === null
            ? 'foreign'
            : `${own.interface} ${own.object} ${own.allows('Item.id')} ${own.allows('Item.change')}`,
      };
    },
    async tell({
      listener,
      text,
    }: {
      listener: { heard(params: object): Promise<{ answer: string }> };
      text: string;
    }) {
      return { heard: (await listener.heard({ text })).answer };
    },
    wait: (_params: object, { signal }: CallContext) =>
      new Promise<object>((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          cancelled++;
          reject(new Error('cancelled'));
        });
      }),
    cancelled: () => ({ count: cancelled }),
  };
  return {
    main,
    restore(objectId) {
      if (objectId === 'stranger') return { id: () => ({ id: 'stranger' }) };
      if (!objectId.startsWith('item-')) throw new Error(`no item ${objectId}`);
      return item(objectId);
    },
  };
};

export default start;
