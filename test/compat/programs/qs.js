import qs from 'qs';
import { program } from '../program.js';

export default program('reads and writes nested query strings', () => {
  return [
    qs.parse('a[b][]=1&a[b][]=2&c=%20d'),
    qs.stringify({ a: { b: ['x', 'y'] } }, { encodeValuesOnly: true }),
  ];
});
