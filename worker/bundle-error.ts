/** A module that cannot become a program. `faults` has one sentence for each reason, `file:line:column` first. */
export class BundleError extends Error {
  override readonly name = 'BundleError';
  constructor(
    readonly module: string,
    readonly faults: readonly string[],
  ) {
    super(`${module} cannot be bundled: ${faults.join('; ')}`);
  }
}
