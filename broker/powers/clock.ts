/** The time, as a capability: Clock of schema/sturdy.capnp. */
export class ClockPower {
  /** @param read milliseconds since 1970 */
  constructor(private readonly read: () => number) {}

  /** Whole milliseconds: anything finer would be a better stopwatch than a guest needs to listen to its neighbours. */
  now(): { unixMillis: bigint } {
    return { unixMillis: BigInt(Math.floor(this.read())) };
  }
}
