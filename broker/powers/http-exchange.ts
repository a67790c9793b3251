/**
 * One request over HTTP/1.1 and its response, on a connection of its own to an address that was chosen before: no name is looked
 * up here, no redirect is followed, nothing is decompressed, no cookie is kept, and no proxy is asked, whatever the environment says.
 *
 * The other end is hostile too: whatever it sends is bounded, and so is the time that it may take.
 */
import { Agent, type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps, Agent as TlsAgent } from 'node:https';
import { isIP } from 'node:net';
import type { Deadline } from './http-deadline.js';
import { told, tooLarge, unreachable } from './http-errors.js';
import { type Source, type SourceLimits, send } from './http-request-body.js';
import { ResponseBody, type ResponseBodyLimits } from './http-response-body.js';

export interface Exchange {
  readonly url: URL;
  /** An IP address: what is connected to. */
  readonly address: string;
  readonly method: string;
  /** By their names in lower case. Checked. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array | Source;
  readonly limits: ExchangeLimits;
  /** In PEM; null: those of Node. */
  readonly authorities: string | null;
  /** Ends the exchange, its body included. It stands still while the body of the request is sent chunk by chunk. */
  readonly deadline: Deadline;
}

export interface ExchangeLimits extends ResponseBodyLimits {
  readonly maxHeaders: number;
  readonly maxHeaderBytes: number;
  /** Of a body that is sent chunk by chunk. */
  readonly source: SourceLimits;
}

/** A response as far as its headers. */
export interface Head {
  readonly status: number;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  /** Owned: it is read to its end, or closed. */
  readonly body: ResponseBody;
}

/** Methods whose request has a body, even where it is empty. */
const WITH_BODY: readonly string[] = ['POST', 'PUT', 'PATCH'];

export function exchange(asked: Exchange): Promise<Head> {
  return new Promise((resolve, reject) => {
    const { url, limits, deadline } = asked;
    const { signal } = deadline;
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const request = opened(asked);
    const over = new AbortController();
    let body: ResponseBody | null = null;
    const fail = (error: Error) => {
      request.destroy();
      if (body === null) reject(error);
      else body.close(error);
    };
    const abort = () => fail(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    request.on('close', () => {
      signal.removeEventListener('abort', abort);
      over.abort(new Error('the request is over'));
    });
    // There may be more than one, and after the end, too.
    request.on('error', (error: NodeJS.ErrnoException) => fail(told(error, url, limits)));
    request.on('response', (response) => {
      const headers = headersOf(response);
      if (headers.length > limits.maxHeaders) {
        fail(tooLarge(url, `more than ${limits.maxHeaders} headers came back (powers.http.maxHeaders)`));
        return;
      }
      body = new ResponseBody(request, response, url, limits);
      resolve({ status: response.statusCode ?? 0, headers, body });
    });
    // A switch of protocols was never asked for.
    request.on('upgrade', (_response, socket) => {
      socket.destroy();
      fail(unreachable(url, 'it answered with another protocol'));
    });
    if (asked.body instanceof Uint8Array) {
      request.end(asked.body.length > 0 ? asked.body : undefined);
      return;
    }
    deadline.pause();
    send(request, url, asked.body, limits.source, over.signal).then(
      () => deadline.restart(),
      (error) => fail(told(error, url, limits)),
    );
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
  if (body.length === null) request.setHeader('transfer-encoding', 'chunked');
  else if (body.length > 0 || WITH_BODY.includes(method)) request.setHeader('content-length', body.length);
  return request;
}

function headersOf({ rawHeaders }: IncomingMessage): Head['headers'] {
  const headers: { name: string; value: string }[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2)
    headers.push({ name: rawHeaders[i]!.toLowerCase(), value: rawHeaders[i + 1]! });
  return headers;
}
