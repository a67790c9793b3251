import { gunzipSync, gzipSync, strFromU8, strToU8, unzipSync, zipSync } from 'fflate';
import { program } from '../program.js';

export default program('makes a zip archive and reads it', () => {
  const text = 'abcabcabc '.repeat(100);
  const archive = zipSync({ 'a/b.txt': strToU8(text) }, { mtime: '2024-01-01' });
  return [
    strFromU8(unzipSync(archive)['a/b.txt']) === text,
    strFromU8(gunzipSync(gzipSync(strToU8(text)))) === text,
  ];
});
