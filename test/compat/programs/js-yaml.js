import * as yaml from 'js-yaml';
import { program } from '../program.js';

export default program('reads and writes YAML', () => {
  const value = yaml.load('a: [1, 2]\nb: {c: "d", e: null}\nf: |\n  two\n  lines\n');
  return [yaml.dump(value), value];
});
