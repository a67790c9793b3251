import { describe, expect, it } from 'vitest';
import { asked } from '../../broker/store/lmdb-tables.js';
import { thrownBy } from '../schema/schemas.js';
import { LmdbStore } from './built.js';
import { storeSuite } from './suite.js';

storeSuite('LMDB', (place, options) => LmdbStore.open(place, options));

describe('what LMDB cannot say', () => {
  const said = (code: number) => () => {
    throw Object.assign(new Error(`LMDB said ${code}`), { code });
  };

  it.each([
    ['MDB_PAGE_NOTFOUND', -30_797],
    ['MDB_CORRUPTED', -30_796],
    ['MDB_BAD_VALSIZE', -30_781],
  ])('is the fault of a store that is damaged: %s', (_name, code) => {
    expect(thrownBy(() => asked(said(code)))).toMatchObject({ code: 'ERR_STORE_DAMAGED' });
  });

  it.each([
    ['MDB_READERS_FULL', -30_790],
    ['ENOMEM', 12],
  ])('is of no store, which would be replaced for it, where it is about the process: %s', (_name, code) => {
    expect(thrownBy(() => asked(said(code)))).toMatchObject({ code });
  });
});
