/** What has run through a transport of bytes so far, for whoever watches whether the peer is still there. */
export interface Flow {
  /** Bytes that came. */
  readonly bytesReceived: number;
  /** Bytes that were sent and do not wait here any more. */
  readonly bytesPassedOn: number;
  /** Bytes that wait here: the system takes no more, or has not been asked yet. */
  readonly bytesQueued: number;
  /** Whether the peer owes the rest of a message, while nothing is held back on this side. */
  readonly isWithinMessage: boolean;
}
