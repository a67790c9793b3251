/**
 * Runs the programs of the compatibility run in plain Node: `node reference.js`. Prints what each does and what came of
 * it, as one value of JSON: { NAME: { what, outcome } }.
 */
import { readdirSync } from 'node:fs';

const ran = {};
for (const file of readdirSync(new URL('./programs/', import.meta.url)).sort()) {
  const { default: program } = await import(`./programs/${file}`);
  const outcome = JSON.stringify(await program.work());
  if (outcome === undefined) throw new Error(`${file}: its work gives nothing`);
  ran[file.slice(0, -'.js'.length)] = { what: program.what, outcome };
}
console.log(JSON.stringify(ran));
