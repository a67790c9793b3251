/**
 * The headers of a request, as a guest writes them: checked, so that nothing in them is read as anything but a header, or changes where
 * and how the request goes; and with the values of secrets, at the last moment.
 */
import { RpcError } from '../../rpc/index.js';
import type { SecretStub, SecretUses } from './secret-uses.js';

export type WrittenHeader = { readonly name: string } & (
  | { readonly text: string }
  | { readonly secret: SecretStub | null }
);

/** One that was checked. */
export type Header =
  | { readonly name: string; readonly isSecret: false; readonly value: string }
  | { readonly name: string; readonly isSecret: true; readonly secret: SecretStub };

/** Those that say where a request goes and how it is framed: they are the broker's. */
const RESERVED = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'via',
]);

const NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;
/** Printable ASCII, blanks, and the upper half of ISO 8859-1. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

export function checkedHeaders(
  headers: readonly WrittenHeader[],
  { maxHeaders, maxHeaderBytes }: { readonly maxHeaders: number; readonly maxHeaderBytes: number },
): Header[] {
  if (headers.length > maxHeaders) {
    throw refused(
      `headers: ${headers.length} of them; at most ${maxHeaders} are sent (powers.http.maxHeaders)`,
    );
  }
  let bytes = 0;
  return headers.map((header, i): Header => {
    bytes += header.name.length + ('text' in header ? header.text.length : 0) + 4;
    if (bytes > maxHeaderBytes) {
      throw refused(
        `headers: more than ${maxHeaderBytes} bytes; so many are sent (powers.http.maxHeaderBytes)`,
      );
    }
    if (!NAME.test(header.name)) throw refused(`headers[${i}].name: expected the name of a header`);
    const name = header.name.toLowerCase();
    if (RESERVED.has(name) || name.startsWith('proxy-'))
      throw refused(`headers[${i}].name: ${name} is not for a request to set`);
    if ('text' in header) {
      if (!VALUE.test(header.text))
        throw refused(`headers[${i}].text: expected one line of ISO 8859-1, without control characters`);
      return { name, isSecret: false, value: header.text };
    }
    if (!('secret' in header) || header.secret === null)
      throw refused(`headers[${i}]: expected text or secret`);
    return { name, isSecret: true, secret: header.secret };
  });
}

/** The headers as they are sent to `origin`. */
export function withSecrets(
  headers: readonly Header[],
  origin: string,
  uses: SecretUses,
  signal: AbortSignal,
): Promise<(readonly [string, string])[]> {
  return Promise.all(
    headers.map(async (header): Promise<readonly [string, string]> => {
      const { name } = header;
      if (!header.isSecret) return [name, header.value];
      return [name, await uses.value(header.secret, { origin, header: name }, signal)];
    }),
  );
}

function refused(message: string): RpcError {
  return new RpcError('failed', message, { code: 'ERR_HTTP_HEADER' });
}
