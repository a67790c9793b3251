import semver from 'semver';
import { program } from '../program.js';

export default program('compares versions and ranges', () => {
  return [
    semver.satisfies('1.4.2', '^1.2 || >=3'),
    semver.inc('1.2.3', 'minor'),
    semver.maxSatisfying(['1.0.0', '1.9.0', '2.0.0'], '1.x'),
  ];
});
