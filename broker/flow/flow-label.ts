/**
 * A flow label: how far what comes from somebody may go. A level of an ordered list, and a set of categories: the lattice of
 * multi-level security. It is no authority, and is never taken from a message: the configuration alone says who has which.
 */

export interface FlowLabel {
  /** Its place in the list of levels, the lowest first. */
  readonly level: number;
  readonly categories: ReadonlySet<string>;
  /** `secret {hr, payroll}`, the categories in the order of their names: the same for equal labels. */
  readonly text: string;
}

/** As it stands in the configuration. */
export interface WrittenLabel {
  readonly level: string;
  readonly categories: readonly string[];
}

export function flowLabel({ level, categories }: WrittenLabel, levels: readonly string[]): FlowLabel {
  const sorted = [...new Set(categories)].sort();
  const text = sorted.length === 0 ? level : `${level} {${sorted.join(', ')}}`;
  return { level: levels.indexOf(level), categories: new Set(sorted), text };
}

/** Whether `a` is as high as `b` at least, and has every category of it. */
export function dominates(a: FlowLabel, b: FlowLabel): boolean {
  return a.level >= b.level && [...b.categories].every((category) => a.categories.has(category));
}
