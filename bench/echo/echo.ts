/** The object that is called, in plain JavaScript: as a domain of the broker, and served by `rpc/` without one. */

export function echoObject(): object {
  const self = {
    echo: ({ payload }: { payload: Uint8Array }) => ({ payload }),
    next: () => ({ node: self }),
  };
  return self;
}

export default function start(): { main: object } {
  return { main: echoObject() };
}
