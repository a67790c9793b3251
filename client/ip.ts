/** What counts as an IP address: as `node:net` has it, also where there is no Node. */

const V4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;

export function isIPv4(text: string): boolean {
  return V4.test(text);
}

/** Without brackets; a zone (`%eth0`) makes it no address of a host. */
export function isIPv6(text: string): boolean {
  return /^[0-9A-Fa-f:.]*$/.test(text) && text.includes(':') && URL.canParse(`ws://[${text}]/`);
}
