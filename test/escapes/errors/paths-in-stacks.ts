import { escapeClass } from '../harness/escape-class.js';

const shows = (expression: string) => `return /\\/|node:|file:/.test(${expression});`;

export default escapeClass({
  name: 'paths in stacks',
  from: 'V8: error.stack names files of the machine',
  rules: ['R1', 'R8'],
  out: 'the text of a stack has a path or the name of a module in it',
  attempts: {
    'of an error of its own': shows(`new Error('x').stack`),
    'of an error of a call': `try { await world.grants.log.write(null); } catch (error) { ${shows('error.stack')} }`,
    'of an error of the world': `try { world.object('', '', 1); } catch (error) { ${shows('error.stack')} }`,
    'of a callback': `let stack = ''; await world.grants.neighbour.tell({ text: 'x', listener: { heard() { stack = new Error('x').stack; return { answer: 'x' }; } } }); ${shows('stack')}`,
    'of a getter that the codec reads': `let stack = ''; await world.grants.neighbour.echo({ get text() { stack = new Error('x').stack; return 'x'; } }); ${shows('stack')}`,
    'of a range error': `let stack = ''; const dive = (n) => n === 0 ? new Array(-1) : dive(n - 1); try { dive(1); } catch (error) { stack = error.stack; } ${shows('stack')}`,
  },
});
