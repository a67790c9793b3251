/** What a request fails with once something was sent. No error names an address, or says more of the system than its code. */
import { RpcError } from '../../rpc/index.js';
import type { HttpSettings } from './settings.js';

export function unreachable({ origin }: URL, why: string, cause?: unknown): RpcError {
  return new RpcError('disconnected', `${origin}: ${why}`, { code: 'ERR_HTTP_UNREACHABLE', cause });
}

export function tooLarge({ origin }: URL, why: string): RpcError {
  return new RpcError('failed', `${origin}: ${why}`, { code: 'ERR_HTTP_RESPONSE_SIZE' });
}

export function tooLate({ origin }: URL, why: string): RpcError {
  return new RpcError('failed', `${origin}: ${why}`, { code: 'ERR_HTTP_TIMEOUT' });
}

/** Only the code of it: the message may name addresses that are the broker's affair. */
export function told(
  error: NodeJS.ErrnoException,
  url: URL,
  { maxHeaderBytes }: Pick<HttpSettings, 'maxHeaderBytes'>,
): Error {
  if (error instanceof RpcError) return error;
  if (error.code === 'HPE_HEADER_OVERFLOW')
    return tooLarge(url, `its headers have more than ${maxHeaderBytes} bytes (powers.http.maxHeaderBytes)`);
  return unreachable(url, `no response (${error.code ?? 'unknown'})`, error);
}
