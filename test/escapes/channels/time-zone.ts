import { builtin, escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'the time zone of the machine',
  from: 'JavaScript: dates and Intl',
  rules: ['R8'],
  out: 'the name of a zone',
  attempts: {
    'the options of a format': `return typeof new Intl.DateTimeFormat().resolvedOptions().timeZone === 'string';`,
    Temporal: {
      needs: builtin('Temporal.Now'),
      body: `return typeof Temporal.Now.timeZoneId() === 'string';`,
    },
    'the zones that there are': `return Intl.supportedValuesOf('timeZone').length > 0;`,
    'another zone': `return new Date(0).toLocaleTimeString('en', { timeZone: 'Asia/Tokyo' }).startsWith('9:00');`,
    'the parts of a format': `return new Intl.DateTimeFormat('en', { timeZoneName: 'long' }).formatToParts(0).some(({ type }) => type === 'timeZoneName');`,
  },
});
