/** What a host process is started with, as JSON in its only argument. */
export interface HostSettings {
  /** The heap of the threads that are kept warm from the start. */
  readonly heapMebibytes: number;
  /** Threads of each class of limits, parked ones included. */
  readonly maxThreads: number;
  /** Threads of each class that are kept parked. */
  readonly warm: number;
}
