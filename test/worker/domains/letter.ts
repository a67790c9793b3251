/** A domain that renders text with a template engine as it comes from npm. */
import handlebars from 'handlebars';

handlebars.registerHelper('money', (cents: unknown) => `${Number(cents) / 100} EUR`);
const letter = handlebars.compile(
  '<!-- letter -->Dear {{name}}, {{#each lines}}[{{this.text}} {{money this.cents}}]{{/each}}',
);

export default function start(): unknown {
  return { main: { render: (params: object) => ({ text: letter(params) }) } };
}
