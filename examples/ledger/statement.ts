/**
 * The example's untrusted plugin: it renders a statement with a template engine straight from npm. All that
 * it holds is `account`, a read-only facet of one account; attempts.ts is what it would do if it could.
 */

import Handlebars from 'handlebars';
import type { Program, World } from 'sturdy/worker';
import { type AccountStub, attempts } from './attempts.js';
import { money } from './posting.js';

const TEXT = `Account {{{name}}}
{{#each entries}}
{{date}}  {{padded amount}}  {{{memo}}}{{#if account}} ({{kind}} {{account}}){{/if}}
{{else}}
(no entries)
{{/each}}
Balance {{closing}}
`;

const HTML = `<h1>Account {{name}}</h1>
<p>Before: {{opening}}</p>
<table>
{{#each entries}}
  <tr><td>{{date}}</td><td>{{kind}}</td><td>{{account}}</td><td>{{memo}}</td><td>{{amount}}</td></tr>
{{else}}
  <tr><td>no entries</td></tr>
{{/each}}
</table>
<p>Balance: {{closing}}</p>
`;

export default function start(world: World<{ account: AccountStub }>): Program {
  const { account } = world.grants;
  Handlebars.registerHelper('padded', (amount: string) => amount.padStart(12));
  const templates = {
    text: Handlebars.compile(TEXT, { noEscape: true }),
    html: Handlebars.compile(HTML),
  };

  return {
    main: {
      async render({ format, limit }: { format: 'text' | 'html' | number; limit: number }) {
        // A newer caller may know a format that this plugin does not: it arrives as its number.
        if (typeof format === 'number') throw new Error(`format ${format}: this plugin knows text and html`);
        const { name, opening, entries, closing } = await account.statement({
          page: { newest: null, limit },
        });
        const document = templates[format]({
          name,
          opening: money(opening),
          closing: money(closing),
          entries: entries.map(({ time, kind, cents, memo, other }) => ({
            date: new Date(Number(time)).toISOString().slice(0, 10),
            kind,
            account: 'account' in other ? other.account : '',
            memo,
            amount: money(cents),
          })),
        });
        return { document: format === 'text' ? { text: document } : { html: document } };
      },
      async attempts() {
        return { attempts: await attempts(account) };
      },
    },
  };
}
