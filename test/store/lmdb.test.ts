import { LmdbStore } from '../../broker/store/lmdb-store.js';
import { storeSuite } from './suite.js';

storeSuite('LMDB', (place, options) => LmdbStore.open(place, options));
