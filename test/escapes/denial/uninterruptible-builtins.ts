import { denialClass } from '../harness/denial-class.js';

const stopped =
  /^it ended: (a turn took longer than its limit, and the thread could not be stopped|its host was killed)/;

export default denialClass({
  name: 'builtins that nothing interrupts',
  from: 'V8: native loops do not look whether they are to end',
  rules: ['R6'],
  attempts: {
    indexOf: { body: `return [].indexOf.call({ length: 2 ** 53 - 1 }, 1) === 0;`, stopped, bare: 'hangs' },
    includes: { body: `return [].includes.call({ length: 2 ** 53 - 1 }, 1);`, stopped, bare: 'hangs' },
    lastIndexOf: {
      body: `return [].lastIndexOf.call({ length: 2 ** 53 - 1 }, 1) === 0;`,
      stopped,
      bare: 'hangs',
    },
  },
});
