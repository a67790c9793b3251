/** What was done in all runs of the model test, and what came of it: for the reader of a test's output. */

export class Tally {
  runs = 0;
  grants = 0;
  /** How many calls were told apart. */
  tokens = 0;
  readonly operations: Record<string, number> = {};
  /** Of calls: how many went through, and how many were refused, by the reason. */
  readonly calls: Record<string, number> = {};
  /** Every secret that was minted. */
  readonly secrets: Uint8Array[] = [];
  /** Everything that could show a secret. */
  readonly seen: { readonly where: string; readonly bytes: Buffer }[] = [];

  operation(name: string): void {
    this.operations[name] = (this.operations[name] ?? 0) + 1;
  }

  call(outcome: string): void {
    this.calls[outcome] = (this.calls[outcome] ?? 0) + 1;
  }

  toString(): string {
    const sorted = (counts: Record<string, number>) =>
      Object.entries(counts)
        .sort(([, a], [, b]) => b - a)
        .map(([name, count]) => `${name} ${count}`)
        .join(', ');
    const sum = Object.values(this.operations).reduce((all, count) => all + count, 0);
    return (
      `${this.runs} runs, ${sum} operations on ${this.grants} grants\n` +
      `operations: ${sorted(this.operations)}\ncalls: ${sorted(this.calls)}`
    );
  }
}
