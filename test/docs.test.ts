import { execFile, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { freePort } from '../examples/ledger/own-broker.js';
import { ROOT } from '../examples/ledger/place.js';

const run = promisify(execFile);

const PAGES = [
  'README.md',
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' }).map((name) => `docs/${name}`),
].filter((name) => name.endsWith('.md'));

const read = (page: string) => readFileSync(join(ROOT, page), 'utf8');

/** The code blocks of this language, in their order. */
function blocks(page: string, language: string): string[] {
  return [...read(page).matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))].map(
    ([, text]) => text!,
  );
}

describe('the documentation', () => {
  it.each(PAGES)('links to what is there: %s', (page) => {
    const links = [...read(page).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map(([, target]) => target!);
    const broken = links
      .filter((target) => !/^https?:/.test(target))
      .filter((target) => !existsSync(join(ROOT, dirname(page), target)));
    expect(broken).toEqual([]);
  });

  it('names every page in the list of them', () => {
    for (const page of PAGES.filter((name) => name.startsWith('docs/') && name !== 'docs/README.md'))
      expect(read('docs/README.md')).toContain(`(${relative('docs', page)})`);
  });

  it.each([
    ['node', 'ts', 'examples/clients/balance.ts'],
    ['browser', 'ts', 'examples/browser/page.ts'],
    ['python', 'python', 'examples/clients/balance.py'],
    ['cpp', 'cpp', 'examples/clients/balance.c++'],
    ['go', 'go', 'examples/clients/balance.go'],
    ['rust', 'rust', 'test/interop/rust/build.rs'],
    ['rust', 'rust', 'examples/clients/balance.rs'],
  ])('shows on clients/%s.md, in %s, what is run in the suite: %s', (page, language, file) => {
    expect(blocks(`docs/clients/${page}.md`, language)).toContain(read(file));
  });
});

describe("the README's five minutes", () => {
  it('come out as it says, line by line', { timeout: 120_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sturdy-readme-'));
    await symlink(join(ROOT, 'dist'), join(folder, 'dist'));
    await mkdir(join(folder, 'data'));
    const start = spawn(
      process.execPath,
      [join(ROOT, 'dist/examples/ledger/start.js'), join(folder, 'data/ledger'), `${await freePort()}`],
      { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] },
    );
    const ended = new Promise((resolve) => start.once('close', resolve));
    try {
      let said = '';
      start.stdout.setEncoding('utf8').on('data', (text) => {
        said += text;
      });
      await expect.poll(() => said, { timeout: 30_000 }).toContain('Next, in another terminal');

      const steps = blocks('README.md', 'console').flatMap(stepsOf);
      expect(steps.length).toBeGreaterThan(10);
      // One shell for all of it, as the reader has; between two steps it prints a line of its own.
      const script = steps.map(({ command }) => `${command}\necho '${MARK}'`).join('\n');
      const { stdout } = await run('sh', ['-c', `exec 2>&1\n${script}`], { cwd: folder });
      const outputs = stdout.split(`${MARK}\n`).slice(0, -1);
      expect(outputs).toHaveLength(steps.length);
      steps.forEach(({ command, output }, i) => {
        expect(outputs[i], command).toMatch(new RegExp(`^${pattern(output)}$`));
      });
    } finally {
      start.kill('SIGTERM');
      await ended;
      await rm(folder, { recursive: true, force: true });
    }
  });
});

const MARK = '---- the next step ----';

/** `$ command` and what stands below it. */
function stepsOf(block: string): { command: string; output: string }[] {
  return block
    .split(/^\$ /m)
    .filter((part) => part !== '')
    .map((part) => {
      const [command, ...output] = part.split('\n');
      return { command: command!, output: output.join('\n') };
    });
}

/** What is left out stands for anything. */
function pattern(text: string): string {
  return text
    .split('…')
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('[^]*');
}
