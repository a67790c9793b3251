import { denialClass } from '../harness/denial-class.js';

const told = /lines a second/;

export default denialClass({
  name: 'floods of log lines',
  from: 'A log is a disk',
  rules: ['R7'],
  attempts: {
    'one after the other': {
      body: `for (let i = 0; i < 2000; i++) await world.grants.log.write({ level: 'info', message: 'x' }); return true;`,
      told,
      bare: 'gets',
    },
    'all at once': {
      body: `await Promise.all(Array.from({ length: 900 }, () => world.grants.log.write({ level: 'info', message: 'x' }))); return true;`,
      told,
      bare: 'gets',
    },
  },
});
