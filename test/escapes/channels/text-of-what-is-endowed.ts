import { escapeClass } from '../harness/escape-class.js';

const shows = (it: string) => `return !/\\[native code\\]/.test(Function.prototype.toString.call(${it}));`;

export default escapeClass({
  name: 'the text of what is endowed',
  from: 'JavaScript: Function.prototype.toString',
  rules: ['R5'],
  out: 'the source of a function of the trusted side, with the names that it closes over',
  attempts: {
    'a function of the world': shows('world.object'),
    'an asynchronous one': shows('world.own'),
    'one by its own method': `return !/\\[native code\\]/.test(world.object.toString());`,
    'one as a text': `return !/\\[native code\\]/.test(\`\${world.own}\`);`,
    'a function of the console': shows(`(typeof console.Console === 'function' ? world.own : console.log)`),
  },
});
