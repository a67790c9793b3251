import { fromJS, is, List, Map as Persistent } from 'immutable';
import { program } from '../program.js';

export default program('changes persistent maps and lists', () => {
  const before = fromJS({ a: { b: [1, 2] } });
  const after = before.updateIn(['a', 'b'], (list) => list.push(3));
  return [
    before.toJS(),
    after.toJS(),
    is(Persistent({ x: 1 }), Persistent({ x: 1 })),
    List.of(3, 1).sort().toArray(),
  ];
});
