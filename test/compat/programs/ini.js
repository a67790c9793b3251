import ini from 'ini';
import { program } from '../program.js';

export default program('reads and writes INI', () => {
  const value = ini.parse('a = 1\n[b.c]\nd[] = x\nd[] = y\n; comment\n');
  return [value, ini.stringify(value)];
});
