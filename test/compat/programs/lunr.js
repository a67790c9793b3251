import lunr from 'lunr';
import { program } from '../program.js';

export default program('makes an index of texts and searches it', () => {
  const index = lunr(function () {
    this.ref('id');
    this.field('text');
    this.add({ id: 'a', text: 'objects invoke objects' });
    this.add({ id: 'b', text: 'messages pass' });
  });
  return index.search('object').map(({ ref }) => ref);
});
