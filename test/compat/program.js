/** A program of the compatibility run: what it does with its package, in a domain and in plain Node alike. */

/**
 * @param what what is done, for the table: a verb first, in the third person.
 * @param work gives a value for JSON, or a promise of one; the same each time, wherever it runs.
 * @returns a domain (`Start` of sturdy/worker) whose main object gives that value.
 */
export function program(what, work) {
  const start = () => ({ main: { evaluate: async () => ({ outcome: JSON.stringify(await work()) }) } });
  return Object.freeze(Object.assign(start, { what, work }));
}
