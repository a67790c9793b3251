import { escapeClass } from '../harness/escape-class.js';
import { inherited } from '../harness/inherited.js';

export default escapeClass({
  name: 'the environment of the broker',
  from: 'Node: NODE_OPTIONS, NODE_PATH and secrets of the operator',
  rules: ['R8'],
  out: 'a host process has the variable',
  attempts: {
    'flags of Node': inherited('NODE_OPTIONS', '--no-deprecation'),
    'a folder of modules': inherited('NODE_PATH', '/nowhere'),
    'a file of certificates': inherited('NODE_EXTRA_CA_CERTS', '/nowhere'),
    'a library that is loaded first': inherited('LD_LIBRARY_PATH', '/nowhere'),
    'a secret': inherited('STURDY_TEST_SECRET', 'of the operator'),
  },
});
