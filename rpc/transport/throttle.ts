/** What a transport asks before it hands over the next message that has come, where somebody else can have enough of them. */
export interface Throttle {
  /** Whether nothing more may be handed over now. What has come waits then, in order, and nothing more is read. */
  readonly isFull: boolean;
  /** Calls `listener` once, when it may: never at once. */
  whenRoom(listener: () => void): void;
}

export const NO_THROTTLE: Throttle = { isFull: false, whenRoom() {} };
