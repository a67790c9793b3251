import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'proxies that answer twice differently',
  from: 'JavaScript: Proxy',
  rules: ['R4'],
  out: 'a trap is asked for the same property twice, and the second answer is used; or it sees more than is there to be read',
  attempts: {
    get: `let reads = 0; const params = new Proxy({ text: 'x' }, { get: (target, key) => key === 'text' ? (reads++ === 0 ? 'checked' : 'used') : target[key] });
      const { text } = await world.grants.neighbour.echo(params); return text === 'used';`,
    keys: `let asked = 0; const params = new Proxy({ text: 'x' }, { ownKeys: (target) => { asked++; return Reflect.ownKeys(target); } });
      await world.grants.neighbour.echo(params); return asked > 1;`,
    'a prototype that is a proxy': `let seen = []; const params = Object.create(new Proxy({}, { get: (_, key) => { seen.push(key); return undefined; } }), { text: { value: 'x', enumerable: true } });
      await world.grants.neighbour.echo(params); return seen.some((key) => key === 'toJSON' || typeof key === 'symbol');`,
    descriptors: `let asked = 0; const params = new Proxy({ text: 'x' }, { getOwnPropertyDescriptor: (target, key) => { asked++; return Reflect.getOwnPropertyDescriptor(target, key); } });
      await world.grants.neighbour.echo(params); return asked > 1;`,
  },
});
