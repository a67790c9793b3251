import { parse, stringify } from 'smol-toml';
import { program } from '../program.js';

export default program('reads and writes TOML', () => {
  const value = parse('title = "a"\n[owner]\nscores = [1, 2.5]\n[[item]]\nname = "b"\n');
  return [value, stringify(value)];
});
