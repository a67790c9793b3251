import { LmdbStore } from './built.js';
import { storeSuite } from './suite.js';

storeSuite('LMDB', (place, options) => LmdbStore.open(place, options));
