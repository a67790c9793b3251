import { parse, serialize } from 'parse5';
import { program } from '../program.js';

export default program('parses a page as a browser does, and writes it', () => {
  return serialize(parse('<!doctype html><title>a</title><table><tr><td>b<p>c'));
});
