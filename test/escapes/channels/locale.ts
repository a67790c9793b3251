import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'the locale of the machine',
  from: 'JavaScript: toLocaleString and Intl',
  rules: ['R8'],
  out: 'what a locale does is done',
  attempts: {
    'of numbers': `return (1234.5).toLocaleString('de') === '1.234,5';`,
    'of big integers': `return (1234n).toLocaleString('de') === '1.234';`,
    'of dates': `return new Date(0).toLocaleDateString('en-US', { timeZone: 'UTC' }) === '1/1/1970';`,
    'of order': `return 'ä'.localeCompare('z', 'sv') > 0 && 'ä'.localeCompare('z', 'de') < 0;`,
    'of case': `return 'I'.toLocaleLowerCase('tr') === 'ı';`,
    'of arrays': `return [1234.5].toLocaleString('de') === '1.234,5';`,
    'of the process': `return typeof new Intl.NumberFormat().resolvedOptions().locale === 'string';`,
  },
});
