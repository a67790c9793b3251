import { escapeClass } from '../harness/escape-class.js';
import { inherited } from '../harness/inherited.js';

export default escapeClass({
  name: 'LOCKDOWN_* in the environment',
  from: 'ses takes what it is not told from the environment',
  rules: ['R8'],
  out: 'a host process has the variable',
  attempts: {
    'that shows stacks': inherited('LOCKDOWN_ERROR_TAMING', 'unsafe'),
    'that lets eval be': inherited('LOCKDOWN_EVAL_TAMING', 'unsafe-eval'),
    'that lets objects change': inherited('LOCKDOWN_OVERRIDE_TAMING', 'min'),
    'that does not harden': inherited('LOCKDOWN_HARDEN_TAMING', 'unsafe'),
  },
});
