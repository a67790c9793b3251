import { produce } from 'immer';
import { program } from '../program.js';

export default program('changes a draft and keeps what it came from', () => {
  const before = { a: [{ b: 1 }], c: {} };
  const after = produce(before, (draft) => {
    draft.a[0].b++;
    draft.a.push({ b: 9 });
  });
  return [before, after, before.c === after.c];
});
