/**
 * Requests to the origins that were granted, as a capability: Http of schema/sturdy.capnp.
 *
 * A request is let out by its origin and its method, at every hop of a redirect again. The name in it is resolved once, every address
 * that it has is checked, and the connection is made to one of those: a name that answers differently the next time is not asked
 * again. Whatever the guest sends is checked before it is sent; whatever comes back is bounded. A body can be streamed, either way.
 */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { type CallContext, RpcError, type Stub, serve } from '../../rpc/index.js';
import { sturdySchema } from '../../schema/index.js';
import { unlessAborted } from '../unless-aborted.js';
import { AddressRules } from './address-rules.js';
import { Deadline } from './http-deadline.js';
import { tooLate, unreachable } from './http-errors.js';
import { type ExchangeLimits, exchange, type Head } from './http-exchange.js';
import { checkedHeaders, type Header, type WrittenHeader, withSecrets } from './http-headers.js';
import type { BodyStub, Source } from './http-request-body.js';
import { HttpStream } from './http-stream.js';
import type { SecretUses } from './secret-uses.js';
import type { HttpSettings } from './settings.js';

export type Resolve = (name: string) => Promise<readonly { readonly address: string }[]>;

const SYSTEM_RESOLVE: Resolve = (name) => lookup(name, { all: true });

export interface HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly WrittenHeader[];
  readonly body: Uint8Array;
  readonly redirects: number;
  readonly stream: boolean;
  readonly source: BodyStub | null;
  readonly length: bigint;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Head['headers'];
  readonly url: string;
  readonly body: Uint8Array;
  readonly stream?: Stub;
}

export interface HttpPowerOptions {
  readonly settings: HttpSettings;
  /** In PEM; null: those of Node. */
  readonly authorities: string | null;
  readonly uses: SecretUses;
  readonly resolve?: Resolve;
}

/** What is sent at a hop. */
interface Hop {
  readonly url: URL;
  readonly method: string;
  readonly headers: readonly Header[];
  readonly body: Uint8Array | Source;
}

type Answer = Head & { readonly url: URL };

const NOTHING = new Uint8Array();

export class HttpPower {
  readonly #options: HttpPowerOptions;
  readonly #addresses: AddressRules;
  #underWay = 0;
  /** Bodies of responses that are read in chunks. */
  #open = 0;

  constructor(options: HttpPowerOptions) {
    this.#options = options;
    this.#addresses = new AddressRules(options.settings.addresses);
  }

  async request(
    { request }: { request: HttpRequest | null },
    context: CallContext,
  ): Promise<{ response: HttpResponse }> {
    const { maxConcurrent, timeoutMillis } = this.#options.settings;
    if (request === null) throw refused('ERR_HTTP_REQUEST', 'request: missing');
    const first = this.#checked(request);
    if (this.#underWay >= maxConcurrent)
      throw busy(`${maxConcurrent} requests are under way (powers.http.maxConcurrent)`);
    const leave = request.stream ? this.#enter() : () => {};
    this.#underWay++;
    const late = `no response within ${timeoutMillis} ms (powers.http.timeoutMillis)`;
    const deadline = new Deadline(context.signal, timeoutMillis, () => tooLate(first.url, late));
    try {
      const answer = await this.#follow(first, request, deadline);
      if (request.stream) {
        deadline.lift();
        return { response: this.#streamed(answer, leave, context) };
      }
      const { status, headers, url, body } = answer;
      const whole = await body.whole(deadline.signal);
      return { response: { status, headers, url: url.href, body: whole } };
    } catch (error) {
      leave();
      throw error;
    } finally {
      deadline.end();
      this.#underWay--;
    }
  }

  /** One more body that is open; gives what is to be called, once, when it is not any more. */
  #enter(): () => void {
    const { maxBodies } = this.#options.settings;
    if (this.#open >= maxBodies) throw busy(`${maxBodies} bodies are open (powers.http.maxBodies)`);
    this.#open++;
    return () => this.#open--;
  }

  #streamed({ status, headers, url, body }: Answer, leave: () => void, context: CallContext): HttpResponse {
    const stream = new HttpStream(body, url, this.#options.settings.bodyIdleMillis, leave);
    const served = serve<Stub>(sturdySchema().interface('Http.Body'), stream);
    return { status, headers, url: url.href, body: NOTHING, stream: context.use(served) };
  }

  /** All that can be said of it before anything is sent. */
  #checked(request: HttpRequest): Hop {
    const { method, url: text, headers, redirects } = request;
    const { maxRedirects } = this.#options.settings;
    const url = URL.canParse(text) ? new URL(text) : null;
    if (url === null)
      throw refused('ERR_HTTP_URL', 'url: expected an absolute URL, such as https://example.com/');
    // What a policy says of the text has to hold of what is sent.
    if (url.href !== text || url.hash !== '') {
      throw refused(
        'ERR_HTTP_URL',
        'url: expected as a URL parser prints it (new URL(url).href), without a fragment',
      );
    }
    this.#letOut(url, method, 'url');
    const body = this.#checkedBody(request);
    if (redirects > maxRedirects) {
      throw refused(
        'ERR_HTTP_REDIRECTS',
        `redirects: ${redirects}; at most ${maxRedirects} are followed (powers.http.maxRedirects)`,
      );
    }
    return { url, method, headers: checkedHeaders(headers, this.#options.settings), body };
  }

  #checkedBody({ method, body, source, length }: HttpRequest): Uint8Array | Source {
    const { maxRequestBytes } = this.#options.settings;
    const { maxBytes, setting } = this.#limits.source;
    if ((body.length > 0 || source !== null) && (method === 'GET' || method === 'HEAD'))
      throw refused('ERR_HTTP_REQUEST', `body: a request of the method ${method} has none`);
    if (source === null) {
      if (length !== 0n)
        throw refused('ERR_HTTP_REQUEST', 'length: it is that of a source, and there is none');
      if (body.length <= maxRequestBytes) return body;
      throw refused(
        'ERR_HTTP_REQUEST_SIZE',
        `body: ${body.length} bytes; at most ${maxRequestBytes} are sent (powers.http.maxRequestBytes)`,
      );
    }
    if (body.length > 0)
      throw refused('ERR_HTTP_REQUEST', 'body: there is a source, too; expected one of them');
    if (length > BigInt(maxBytes)) {
      throw refused(
        'ERR_HTTP_REQUEST_SIZE',
        `length: ${length} bytes; at most ${maxBytes} are sent (${setting})`,
      );
    }
    return { stub: source, length: length === 0n ? null : Number(length) };
  }

  /** Of a response that is read whole. */
  get #limits(): ExchangeLimits {
    const { settings } = this.#options;
    const { maxHeaders, maxHeaderBytes, maxResponseBytes, bodyIdleMillis } = settings;
    const { maxRequestBytes, maxStreamedRequestBytes } = settings;
    return {
      maxHeaders,
      maxHeaderBytes,
      maxBytes: maxResponseBytes,
      setting: 'powers.http.maxResponseBytes',
      source: {
        maxBytes: maxStreamedRequestBytes ?? maxRequestBytes,
        setting: `powers.http.${maxStreamedRequestBytes === undefined ? 'maxRequestBytes' : 'maxStreamedRequestBytes'}`,
        idleMillis: bodyIdleMillis,
      },
    };
  }

  get #streamLimits(): ExchangeLimits {
    const { maxStreamedResponseBytes } = this.#options.settings;
    if (maxStreamedResponseBytes === undefined) return this.#limits;
    return {
      ...this.#limits,
      maxBytes: maxStreamedResponseBytes,
      setting: 'powers.http.maxStreamedResponseBytes',
    };
  }

  /** What was granted, of a request and of each redirect. */
  #letOut(url: URL, method: string, what: string): void {
    const { origins, methods } = this.#options.settings;
    if (url.username !== '' || url.password !== '')
      throw refused('ERR_HTTP_URL', `${what}: it has a user or a password in it; send a header`);
    if (!origins.includes(url.origin)) {
      throw refused(
        'ERR_HTTP_ORIGIN',
        `${what}: ${url.origin.slice(0, 300)} is not granted; granted are ${origins.slice(0, 10).join(', ')} (powers.http.origins)`,
      );
    }
    if (!methods.some((granted) => granted === method)) {
      throw refused(
        'ERR_HTTP_METHOD',
        `method: ${JSON.stringify(method.slice(0, 30))} is not granted; granted are ${methods.join(', ')} (powers.http.methods)`,
      );
    }
  }

  async #follow(
    first: Hop,
    { redirects, stream }: Pick<HttpRequest, 'redirects' | 'stream'>,
    deadline: Deadline,
  ): Promise<Answer> {
    const { authorities, uses } = this.#options;
    const limits = stream ? this.#streamLimits : this.#limits;
    let hop = first;
    for (let left = redirects; ; left--) {
      const { url, method, body } = hop;
      const headers = await withSecrets(hop.headers, url.origin, uses, deadline.signal);
      const address = await this.#addressOf(url, deadline.signal);
      const head = await exchange({ url, address, method, headers, body, limits, authorities, deadline });
      const location = head.headers.find(({ name }) => name === 'location')?.value;
      if (redirects === 0 || location === undefined || !REDIRECTS.includes(head.status))
        return { ...head, url };
      // What it says besides is read by nobody.
      head.body.close();
      if (left === 0) {
        throw refused(
          'ERR_HTTP_REDIRECTS',
          `${first.url.origin}: more than ${redirects} redirects; so many were to be followed`,
        );
      }
      hop = this.#next(hop, head.status, location);
    }
  }

  #next({ url, method, headers, body }: Hop, status: number, location: string): Hop {
    // A header is bytes of ISO 8859-1; a URL in it is ASCII.
    const to = URL.canParse(location, url.href) ? new URL(location, url) : null;
    if (to === null) throw refused('ERR_HTTP_REDIRECTS', `${url.origin}: it redirects to what is not a URL`);
    to.hash = '';
    const what = `the redirect from ${url.origin}`;
    const isGet = status === 303 ? method !== 'HEAD' : status < 303 && method === 'POST';
    if (!isGet && !(body instanceof Uint8Array)) {
      throw refused(
        'ERR_HTTP_REDIRECTS',
        `${url.origin}: it redirects, and the body would be sent again; that of a source is read once`,
      );
    }
    const next: Hop = {
      url: to,
      method: isGet ? 'GET' : method,
      // What tells who asks is for the origin that was asked, and no other.
      headers: headers.filter(
        ({ name, isSecret }) =>
          (to.origin === url.origin || (!isSecret && !CREDENTIALS.includes(name))) &&
          !(isGet && name.startsWith('content-')),
      ),
      body: isGet ? NOTHING : body,
    };
    this.#letOut(to, next.method, what);
    return next;
  }

  /** The address to connect to. All that the name has are checked: which of them is taken is not for it to say. */
  async #addressOf(url: URL, signal: AbortSignal): Promise<string> {
    const name = url.hostname.replace(/^\[|\]$/g, '');
    let found: readonly { readonly address: string }[];
    try {
      const { resolve = SYSTEM_RESOLVE } = this.#options;
      found = isIP(name) === 0 ? await unlessAborted(resolve(name), signal) : [{ address: name }];
    } catch (error) {
      signal.throwIfAborted();
      const { code = 'unknown' } = error as NodeJS.ErrnoException;
      throw unreachable(url, `its name cannot be resolved (${code})`, error);
    }
    const [first] = found;
    if (first === undefined) throw unreachable(url, 'its name has no address');
    if (!found.every(({ address }) => this.#addresses.allow(address))) {
      throw refused(
        'ERR_HTTP_ADDRESS',
        `${url.origin} is at an address that is not public, and was not granted (powers.http.addresses)`,
      );
    }
    return first.address;
  }
}

const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];
const CREDENTIALS: readonly string[] = ['authorization', 'cookie'];

function refused(code: string, message: string): RpcError {
  return new RpcError('failed', message, { code });
}

function busy(message: string): RpcError {
  return new RpcError('overloaded', message, { code: 'ERR_HTTP_BUSY' });
}
