import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'promises of the trusted side, returned',
  from: 'CVE-2026-22709',
  rules: ['R1', 'R4'],
  out: "what an async function passes through leads to Node's process",
  bare: 'vm',
  attempts: {
    'its result': `return reaches(await (async () => world.grants.neighbour.echo({ text: 'x' }))());`,
    'its error': `return await (async () => world.grants.log.write(null))().catch((error) => reaches(error));`,
    'its error, by then': `return await (async () => world.grants.log.write(null))().then(() => false, (error) => reaches(error));`,
    'through a generator': `return await (async function* () { yield world.grants.log.write(null); })().next().catch((error) => reaches(error));`,
    'through for await': `try { for await (const each of [world.grants.log.write(null)]) void each; } catch (error) { return reaches(error); }`,
    'through finally': `return await (async () => world.grants.log.write(null))().finally(() => {}).catch((error) => reaches(error));`,
    'through a race': `return await Promise.race([world.grants.log.write(null)]).catch((error) => reaches(error));`,
  },
});
