import { escapeClass } from '../harness/escape-class.js';
import { inheritedFlag } from '../harness/inherited.js';

export default escapeClass({
  name: 'inherited execArgv',
  from: 'Node: a child process is started with the flags of its parent',
  rules: ['R8'],
  out: 'the host process has the flag',
  attempts: {
    'that tells of the inspector': inheritedFlag('--inspect-publish-uid=http'),
    'that shows the collector': inheritedFlag('--expose-gc'),
    'that shows where errors were thrown': inheritedFlag('--trace-uncaught'),
  },
});
