/** The broker cannot start. The message is for the person who started it: what is wrong, where, and what would be right. */
export class StartupError extends Error {
  override readonly name = 'StartupError';
  readonly code = 'ERR_STARTUP';
}
