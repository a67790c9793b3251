/**
 * Which IP addresses may be connected to: those of the public internet, and what is granted besides. Whatever is not known to be
 * public is not: loopback, private, link-local, multicast and reserved addresses, and those of IPv6 in which another address is
 * hidden (mapped, translated, tunnelled).
 */
import { BlockList, isIP } from 'node:net';

/** IANA's special-purpose addresses of IPv4. */
const NOT_PUBLIC_4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '192.175.48.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
];

/** All that is handed out of IPv6, and what of it is special: the protocols' own, documentation, 6to4. */
const GLOBAL_6 = ['2000::/3'];
const NOT_PUBLIC_6 = ['2001::/23', '2001:db8::/32', '2002::/16', '2620:4f:8000::/48', '3fff::/20'];

function blockList(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address, prefix] = range.split('/') as [string, string | undefined];
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
    list.addSubnet(address, prefix === undefined ? (family === 'ipv4' ? 32 : 128) : Number(prefix), family);
  }
  return list;
}

const notPublic4 = blockList(NOT_PUBLIC_4);
const global6 = blockList(GLOBAL_6);
const notPublic6 = blockList(NOT_PUBLIC_6);

/** An address, or one with the length of a prefix behind it: `10.1.0.0/16`. */
export function isAddressRange(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0 || address.includes('%')) return false;
  return prefix === undefined || (/^[0-9]{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128));
}

/** Without a zone (`%eth0`), which no address of the public internet has. */
function isPublic(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !notPublic4.check(address, 'ipv4');
    case 6:
      return !address.includes('%') && global6.check(address, 'ipv6') && !notPublic6.check(address, 'ipv6');
    default:
      return false;
  }
}

export class AddressRules {
  readonly #granted: BlockList;

  /** @param granted ranges of addresses that may be connected to though they are not public */
  constructor(granted: readonly string[]) {
    this.#granted = blockList(granted);
  }

  allow(address: string): boolean {
    if (isPublic(address)) return true;
    const family = isIP(address);
    if (family === 0 || address.includes('%')) return false;
    return this.#granted.check(address, family === 4 ? 'ipv4' : 'ipv6');
  }
}
