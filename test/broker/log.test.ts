import { spawnSync } from 'node:child_process';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLogger } from '../../broker/log.js';
import { escapeControls, redact } from '../../broker/redaction.js';
import { mintSecret } from '../../broker/store/secret.js';
import { SturdyRef } from '../../client/sturdyref.js';

/** A logger and the lines that it wrote. */
function captured(options: { pretty?: boolean } = {}) {
  const lines: string[] = [];
  return { lines, log: createLogger({ level: 'trace' }, { ...options, write: (line) => lines.push(line) }) };
}

describe('the log', () => {
  it('is a line of JSON for each event', () => {
    const { lines, log } = captured();
    log.child({ domain: 'ledger' }).warn({ starts: 3 }, 'it ended');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/\n$/);
    expect(JSON.parse(lines[0]!)).toMatchObject({
      level: 'warn',
      domain: 'ledger',
      starts: 3,
      msg: 'it ended',
    });
  });

  it('keeps to its level', () => {
    const lines: string[] = [];
    const log = createLogger({ level: 'warn' }, { write: (line) => lines.push(line) });
    log.info('no');
    log.error('yes');
    expect(lines).toHaveLength(1);
  });

  it.each([false, true])('shows no secret, in whatever shape it gets there (pretty: %s)', (pretty) => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (random) => {
        const secret = Buffer.from([1, ...random]);
        const text = secret.toString('base64url');
        const ref = SturdyRef.of(secret, { transport: 'unix', path: '/s' });
        const { lines, log } = captured({ pretty });
        log.info(`restore ${ref.format()} please`);
        log.info({ [text]: 1, deep: [{ text: `x${text}y` }], ref, url: `https://h/?r=%23${text}` }, text);
        log.child({ bound: text }).info('x');
        log.error(new Error(`no ${text}`, { cause: new Error(secret.toString('hex')) }));
        log.info({ base64: secret.toString('base64'), buffer: secret, bytes: new Uint8Array(secret) }, 'x');
        log.info({ list: [...secret] }, inspect(secret));
        log.info('%s %j', text, { text });
        const all = lines.join('');
        expect(lines).toHaveLength(7);
        for (const spelling of [
          text,
          secret.toString('base64'),
          secret.toString('hex'),
          [...secret].join(','),
          inspect(secret).slice(8, 100),
          text.slice(4, 40),
        ]) {
          expect(all).not.toContain(spelling);
        }
        if (!pretty) for (const line of lines) JSON.parse(line);
      }),
      { numRuns: 50 },
    );
  });

  it('leaves alone what is no secret', () => {
    const plain = [
      'grant 01jd8wz3k4m5n6p7q8r9s0t1v2 of domain ledger',
      'at file:///opt/AcmeBroker/node_modules/sturdy/dist/broker/store/lmdb-store.js:12:3',
      'sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      'sturdy+unix:///run/s.sock#(secret)',
    ];
    for (const text of plain) expect(redact(text)).toBe(text);
  });

  it('gives a person one line, with nothing in it that a terminal obeys', () => {
    const { lines, log } = captured({ pretty: true });
    log.info({ domain: 'a b', list: [1], name: 'x\u202ey' }, 'hello\n\u001b[31mfake');
    log.error({ err: new Error('it\nbroke') }, 'no start');
    expect(lines[0]).toMatch(
      /^[\d:.]{12} info {2}hello\\n\\u001b\[31mfake domain="a b" list=\[1\] name=x\\u202ey\n$/,
    );
    expect(lines[1]).toMatch(/error no start err="it\\nbroke"\n$/);
    expect(escapeControls('täglich 😀')).toBe('täglich 😀');
  });

  it('is all there when the process is gone, even through a pipe', () => {
    const module = new URL('../../dist/broker/log.js', import.meta.url).href;
    const program = `
      const { createLogger } = await import(${JSON.stringify(module)});
      const log = createLogger({ level: 'info' });
      for (let i = 0; i < 5000; i++) log.info({ i }, 'x'.repeat(100));
      process.kill(process.pid, 'SIGKILL');`;
    const { stderr, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
      maxBuffer: 1 << 24,
    });
    const lines = stderr.trimEnd().split('\n');
    expect(lines).toHaveLength(5000);
    expect(JSON.parse(lines.at(-1)!)).toMatchObject({ i: 4999 });
    expect(stdout).toBe('');
  });
});

describe('a secret', () => {
  it('begins as the redaction wall expects', () => {
    for (let i = 0; i < 200; i++) {
      const text = Buffer.from(mintSecret()).toString('base64url');
      expect(redact(text)).toBe('[secret]');
      expect(redact(`"${text}${text}"`)).toBe('"[secret][secret]"');
    }
  });
});
