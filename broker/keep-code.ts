/**
 * The engine throws compiled code away that has not run for some collections of the heap, and compiles it again when it is called: a
 * process that has been busy with large messages, or with other methods, then takes milliseconds for what takes microseconds. All the
 * code of a broker or a host is a few megabytes, and stays.
 */
export const KEEP_CODE = '--no-flush-bytecode';
