/** What the broker and the process that bundles for it say to each other, beside the program. */

export interface BundleOrder {
  /** The module's path, an absolute one. */
  readonly module: string;
  readonly withheld: readonly string[];
}

/** The exit code of a process whose output is the faults: a JSON array of strings. */
export const EXIT_FAULTS = 3;
