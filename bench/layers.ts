/** Where the time of a process goes, layer by layer: what a CPU profile of it says of the time it was measured in. */

/** In the order in which they are shown. */
export const LAYERS = [
  'rpc/',
  'broker/',
  'schema/',
  'client/',
  'the load of the bench',
  'packages',
  'streams and sockets of Node',
  'builtins of the engine',
  'garbage collection',
  'system calls and the engine',
] as const;
export type Layer = (typeof LAYERS)[number];

/** A part of each second that the process was busy; those that are missing had none. */
export type Shares = Readonly<Partial<Record<Layer, number>>>;

/** What is used here of a `.cpuprofile`, as V8 writes it. Times are in microseconds. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
  }[];
  readonly samples: readonly number[];
  /** Of each sample, since the one before. */
  readonly timeDeltas: readonly number[];
}

/** Of the last `seconds` in which the process had something to do. */
export function sharesOf(profile: CpuProfile, seconds: number): Shares {
  const layers = new Map(profile.nodes.map(({ id, callFrame }) => [id, layerOf(callFrame)]));
  const spent = new Map<Layer, number>();
  let busy = 0;
  for (let i = profile.samples.length - 1; i >= 0 && busy < seconds * 1e6; i--) {
    const layer = layers.get(profile.samples[i]!) ?? null;
    if (layer === null) continue;
    const time = Math.max(0, profile.timeDeltas[i]!);
    spent.set(layer, (spent.get(layer) ?? 0) + time);
    busy += time;
  }
  return Object.fromEntries(
    LAYERS.flatMap((layer) => (spent.has(layer) ? [[layer, rounded(spent.get(layer)! / busy)]] : [])),
  );
}

/** Functions of Node's that are a call of the system and little else. */
const SYSTEM_CALL = /^(write|read|open|close|fsync|rename|shutdown)/;

/** Null: it was not busy. */
function layerOf({ functionName, url }: CpuProfile['nodes'][number]['callFrame']): Layer | null {
  if (url === '') {
    switch (functionName) {
      case '(idle)':
      case '(root)':
        return null;
      case '(program)':
        return 'system calls and the engine';
      case '(garbage collector)':
        return 'garbage collection';
      default:
        return SYSTEM_CALL.test(functionName) ? 'system calls and the engine' : 'builtins of the engine';
    }
  }
  if (url.startsWith('node:')) return 'streams and sockets of Node';
  if (url.includes('/node_modules/')) return 'packages';
  const folder = /\/dist\/([a-z]+)\//.exec(url)?.[1];
  if (folder === 'bench') return 'the load of the bench';
  return LAYERS.find((layer) => layer === `${folder}/`) ?? 'packages';
}

function rounded(share: number): number {
  return Number(share.toFixed(3));
}
