/**
 * One request over HTTP/1.1 and its whole response, on a connection of its own to an address that was chosen before: no name is looked
 * up here, no redirect is followed, nothing is decompressed, no cookie is kept, and no proxy is asked, whatever the environment says.
 *
 * The other end is hostile too: whatever it sends is bounded, and so is the time that it may take (by `signal`).
 */
import { Agent, type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps, Agent as TlsAgent } from 'node:https';
import { isIP } from 'node:net';
import { RpcError } from '../../rpc/index.js';

export interface Exchange {
  readonly url: URL;
  /** An IP address: what is connected to. */
  readonly address: string;
  readonly method: string;
  /** By their names in lower case. Checked. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
  readonly limits: ExchangeLimits;
  /** In PEM; null: those of Node. */
  readonly authorities: string | null;
  readonly signal: AbortSignal;
}

export interface ExchangeLimits {
  readonly maxResponseBytes: number;
  readonly maxHeaders: number;
  readonly maxHeaderBytes: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly body: Uint8Array;
}

/** Methods whose request has a body, even where it is empty. */
const WITH_BODY: readonly string[] = ['POST', 'PUT', 'PATCH'];

export function exchange(asked: Exchange): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { url, signal, limits } = asked;
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const request = opened(asked);
    const end = (error: Error | null, answer?: Answer) => {
      signal.removeEventListener('abort', abort);
      request.destroy();
      if (error === null) resolve(answer!);
      else reject(error);
    };
    const abort = () => end(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    // There may be more than one, and after the end, too.
    request.on('error', (error: NodeJS.ErrnoException) => end(told(error, url, limits)));
    request.on('response', (response) => receive(response, asked, end));
    // A switch of protocols was never asked for.
    request.on('upgrade', (_response, socket) => {
      socket.destroy();
      end(unreachable(url, 'it answered with another protocol'));
    });
    request.end(asked.body.length > 0 ? asked.body : undefined);
  });
}

function opened({ url, address, method, headers, body, limits, authorities }: Exchange): ClientRequest {
  const isTls = url.protocol === 'https:';
  const options = {
    // An address, which nobody looks up; the certificate is checked against the name.
    host: address,
    port: url.port === '' ? (isTls ? 443 : 80) : Number(url.port),
    path: `${url.pathname}${url.search}`,
    method,
    setHost: false,
    maxHeaderSize: limits.maxHeaderBytes,
    insecureHTTPParser: false,
  };
  const name = url.hostname.replace(/^\[|\]$/g, '');
  const request = isTls
    ? requestHttps({
        ...options,
        agent: new TlsAgent({ keepAlive: false }),
        rejectUnauthorized: true,
        minVersion: 'TLSv1.2',
        ...(isIP(name) === 0 && { servername: name }),
        ...(authorities !== null && { ca: authorities }),
      })
    : requestHttp({ ...options, agent: new Agent({ keepAlive: false }) });
  // One more than may be, to see that there are too many: Node drops the rest in silence.
  request.maxHeadersCount = limits.maxHeaders + 1;
  request.setHeader('host', url.host);
  request.setHeader('connection', 'close');
  const values = new Map<string, string[]>();
  for (const [header, value] of headers) values.set(header, [...(values.get(header) ?? []), value]);
  for (const [header, [first = '', ...more]] of values)
    request.setHeader(header, more.length === 0 ? first : [first, ...more]);
  if (!values.has('accept-encoding')) request.setHeader('accept-encoding', 'identity');
  if (body.length > 0 || WITH_BODY.includes(method)) request.setHeader('content-length', body.length);
  return request;
}

function receive(
  response: IncomingMessage,
  { url, limits }: Exchange,
  end: (error: Error | null, answer?: Answer) => void,
): void {
  const { rawHeaders, statusCode: status = 0 } = response;
  const headers: { name: string; value: string }[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2)
    headers.push({ name: rawHeaders[i]!.toLowerCase(), value: rawHeaders[i + 1]! });
  if (headers.length > limits.maxHeaders) {
    return end(tooLarge(url, `more than ${limits.maxHeaders} headers came back (powers.http.maxHeaders)`));
  }
  const over = `its response has more than ${limits.maxResponseBytes} bytes (powers.http.maxResponseBytes)`;
  const chunks: Buffer[] = [];
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > limits.maxResponseBytes) end(tooLarge(url, over));
    else chunks.push(chunk);
  });
  response.on('error', (error: NodeJS.ErrnoException) => end(told(error, url, limits)));
  response.on('end', () => {
    if (!response.complete) end(unreachable(url, 'its response was cut short'));
    else end(null, { status, headers, body: new Uint8Array(Buffer.concat(chunks)) });
  });
}

function tooLarge({ origin }: URL, why: string): RpcError {
  return new RpcError('failed', `${origin}: ${why}`, { code: 'ERR_HTTP_RESPONSE_SIZE' });
}

export function unreachable({ origin }: URL, why: string, cause?: unknown): RpcError {
  return new RpcError('disconnected', `${origin}: ${why}`, { code: 'ERR_HTTP_UNREACHABLE', cause });
}

/** Only the code of it: the message may name addresses that are the broker's affair. */
function told(error: NodeJS.ErrnoException, url: URL, limits: ExchangeLimits): Error {
  if (error instanceof RpcError) return error;
  if (error.code === 'HPE_HEADER_OVERFLOW')
    return tooLarge(
      url,
      `its headers have more than ${limits.maxHeaderBytes} bytes (powers.http.maxHeaderBytes)`,
    );
  return unreachable(url, `no response (${error.code ?? 'unknown'})`, error);
}
