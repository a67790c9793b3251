import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'more than was granted',
  from: 'Capabilities: what is held may be used, and nothing beside it',
  rules: ['R9'],
  out: 'a method of an object answers that the grant does not name',
  attempts: {
    'a method of the same interface': `return (await world.grants.neighbour.evaluate({ source: '"answered"' })).outcome === 'answered';`,
    'by a stub that is cast': `const it = world.grants.neighbour.as(world.grants.neighbour); return (await it.evaluate({ source: '"answered"' })).outcome === 'answered';`,
    'by another reference to it': `return (await world.grants.neighbour.dup().evaluate({ source: '"answered"' })).outcome === 'answered';`,
    'by one that came back': `let it; await world.grants.neighbour.tell({ text: 'x', listener: { heard: () => { it = world.grants.neighbour; return { answer: 'x' }; } } });
      return (await it.evaluate({ source: '"answered"' })).outcome === 'answered';`,
    'after the list of methods is looked up and changed': `const methods = Object.getPrototypeOf(world.grants.neighbour); try { methods.echo = methods.evaluate; } catch {}
      return (await world.grants.neighbour.evaluate({ source: '"answered"' })).outcome === 'answered';`,
  },
});
