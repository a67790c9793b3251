import { filter, from, lastValueFrom, map, toArray } from 'rxjs';
import { program } from '../program.js';

export default program('transforms a stream of values', () => {
  return lastValueFrom(
    from([1, 2, 3, 4]).pipe(
      filter((n) => n % 2 === 0),
      map((n) => n * n),
      toArray(),
    ),
  );
});
