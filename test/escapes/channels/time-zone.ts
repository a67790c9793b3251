import { builtin, escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'the time zone of the machine',
  from: 'JavaScript: dates as text, Intl',
  rules: ['R8'],
  out: 'the name of a zone',
  attempts: {
    'the options of a format': `return typeof new Intl.DateTimeFormat().resolvedOptions().timeZone === 'string';`,
    Temporal: {
      needs: builtin('Temporal.Now'),
      body: `return typeof Temporal.Now.timeZoneId() === 'string';`,
    },
    'the environment': `process.env.TZ = 'Asia/Tokyo'; return new Date(0).getTimezoneOffset() === -540;`,
    'another zone': `return new Date(0).toLocaleTimeString('en', { timeZone: 'Asia/Tokyo' }).startsWith('9:00');`,
    'a long name': `return new Date(0).toLocaleTimeString('en', { timeZoneName: 'long' }).includes('Time');`,
  },
});
