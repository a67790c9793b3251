/** A domain whose start never ends, and that does not loop either: nothing but a limit or an order ends it. */
export default function start(): Promise<never> {
  return new Promise(() => {});
}
