import { builtin, escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'clocks',
  from: 'JavaScript and Node: Date, performance, process.hrtime, Temporal',
  rules: ['R5', 'R8'],
  out: 'the time of day, or a stopwatch, without the power `clock`',
  attempts: {
    'Date.now': `return Date.now() > 1e12;`,
    'a date': `return new Date().getTime() > 1e12;`,
    'the text of a date': `return Date().includes(':');`,
    'a date by Reflect': `return Reflect.construct(Date, []).getTime() > 1e12;`,
    'a subclass of dates': `return new (class extends Date {})().getTime() > 1e12;`,
    'the constructor behind dates': `return new (new Date(0).constructor)().getTime() > 1e12;`,
    performance: `return performance.now() > 0;`,
    'the origin of time': `return performance.timeOrigin > 1e12;`,
    'the process': `return typeof process.hrtime.bigint() === 'bigint';`,
    Temporal: {
      needs: builtin('Temporal.Now'),
      body: `return Temporal.Now.instant().epochMilliseconds > 1e12;`,
    },
    'a zone of Temporal': {
      needs: builtin('Temporal.Now'),
      body: `return Temporal.Now.zonedDateTimeISO().year > 2000;`,
    },
    'the time of an event': `return new Event('x').timeStamp > 0;`,
    'the time of a format': `return /\\d/.test(new Intl.DateTimeFormat('en').format());`,
  },
});
