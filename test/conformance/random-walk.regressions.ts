/** Walks that went wrong once, as small as they could be made, and what was wrong. */
import type { Step, WalkOptions } from './random-walk.js';

export interface Regression {
  readonly name: string;
  readonly options: WalkOptions;
  readonly steps: readonly Step[];
}

function steps(...list: readonly (readonly [operation: string, seed: number])[]): Step[] {
  return list.map(([operation, seed]) => ({ operation, seed }));
}

export const REGRESSIONS: readonly Regression[] = [
  {
    name: 'a promise that only messages of its own name lead to is resolved by the peer',
    options: { vats: 4, tailCalls: false },
    steps: steps(
      ['call', 2452358560],
      ['release', 2807730560],
      ['pipeline', 4078728174],
      ['finish', 2913823922],
      ['call', 1571595797],
    ),
  },
  {
    name: 'a tail call comes home by way of a third vat, and its results are under an embargo there',
    options: { vats: 3, tailCalls: true },
    steps: steps(
      ['deliver', 3867072117],
      ['call', 2766345617],
      ['pipeline', 3485883871],
      ['deliver', 2424674562],
      ['call', 266237420],
      ['pipeline', 4194480067],
      ['pipeline', 700214351],
      ['pipeline', 3977191581],
      ['promise', 2961903374],
      ['deliver', 844651507],
      ['deliver', 3629453840],
      ['pipeline', 4101998414],
      ['deliver', 164743973],
      ['deliver', 1698533810],
      ['call', 1947267406],
      ['deliver', 2301228232],
      ['deliver', 1163695461],
      ['deliver', 3040577104],
      ['deliver', 2521529206],
      ['release', 2993059691],
      ['deliver', 3993302330],
      ['pipeline', 3736702117],
      ['pipeline', 2782964459],
      ['promise', 3555313673],
      ['deliver', 1933153244],
      ['settle', 1540040406],
      ['deliver', 1959279560],
      ['deliver', 4252276983],
      ['call', 4179841976],
      ['deliver', 1524771719],
      ['deliver', 4158194014],
    ),
  },
  {
    name: 'a promise comes home while it is pending, and becomes something of the peer that sent it back',
    options: { vats: 4, tailCalls: true },
    steps: steps(
      ['deliver', 3773683258],
      ['release', 244601197],
      ['settle', 262635233],
      ['deliver', 3870678096],
      ['call', 2261758622],
      ['release', 3387878204],
      ['deliver', 186654781],
      ['pipeline', 277982340],
      ['release', 1763930427],
      ['call', 2175307131],
      ['release', 2423956321],
      ['deliver', 1563616804],
      ['call', 4140942542],
      ['deliver', 2461203230],
      ['pipeline', 3730494206],
      ['deliver', 2516517637],
      ['deliver', 1998875783],
      ['deliver', 1800162289],
      ['deliver', 3495369220],
      ['settle', 1236985221],
      ['deliver', 2439408620],
      ['call', 2075368987],
      ['release', 4292370806],
      ['deliver', 3630224101],
      ['release', 362441478],
      ['call', 2818131344],
      ['deliver', 2796821182],
      ['call', 2560456654],
    ),
  },
];
