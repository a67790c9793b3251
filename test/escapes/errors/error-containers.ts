import { builtin, escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'errors inside of errors',
  from: 'JavaScript: AggregateError, and the cause of an error',
  rules: ['R1', 'R4'],
  out: 'an error of the trusted side comes through inside of another',
  bare: 'vm',
  attempts: {
    'of Promise.any': `try { await Promise.any([world.grants.log.write(null)]); } catch (error) { return reaches(error.errors[0]); }`,
    'of Promise.allSettled': `const [{ reason }] = await Promise.allSettled([world.grants.log.write(null)]); return reaches(reason);`,
    'the constructor of an AggregateError': {
      bare: 'worker',
      body: `return isProcess(new AggregateError([]).constructor.constructor('return process')());`,
    },
    'a cause': `try { try { world.object('', '', 1); } catch (cause) { throw new Error('x', { cause }); } } catch (error) { return reaches(error.cause); }`,
    'of Promise.try': {
      needs: builtin('Promise.try'),
      body: `try { await Promise.try(() => world.object('', '', 1)); } catch (error) { return reaches(error); }`,
    },
  },
});
