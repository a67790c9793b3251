/** The store as it was built: what it reads in a process of its own, that process reads by what was built, too. */
const built = (name: string) => import(new URL(`../../dist/broker/store/${name}.js`, import.meta.url).href);

export const { LmdbStore } = (await built('lmdb-store')) as typeof import('../../broker/store/lmdb-store.js');
export const { LmdbTables } = (await built(
  'lmdb-tables',
)) as typeof import('../../broker/store/lmdb-tables.js');
export const { scanFolder } = (await built(
  'store-folder',
)) as typeof import('../../broker/store/store-folder.js');
export const { scanStore } = (await built(
  'store-process',
)) as typeof import('../../broker/store/store-process.js');
export const { backUp, restoreBackup } = (await built(
  'backup',
)) as typeof import('../../broker/store/backup.js');
