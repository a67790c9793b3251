/** Behind the reason for which a domain's thread ended, where its host ends with it: that takes no other domain any more. */
export const HOST_ENDS = ', and the thread could not be stopped, so its host was ended';

/** What a host process is started with, as JSON in its only argument. */
export interface HostSettings {
  /** The heap of the threads that are kept warm from the start. */
  readonly heapMebibytes: number;
  /** Threads of each class of limits, parked ones included. */
  readonly maxThreads: number;
  /** Threads of each class that are kept parked. */
  readonly warm: number;
}
