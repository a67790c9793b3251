import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { arrangeBroker, subject as brokered } from './brokered.js';
import { subject as crowded, floodOf } from './crowded.js';
import type { Subject } from './subject.js';

export const subject: Subject = {
  ...brokered,
  name: 'elsewhere',
  title: 'Sturdy, brokered, a flood elsewhere',
  what: 'The same as brokered, while that flood goes to another broker: what it takes of the processors, without being in the way.',
  only: crowded.only!,
  async arrange(stage) {
    const folder = join(stage.folder, 'b');
    mkdirSync(folder);
    const elsewhere = await arrangeBroker({ folder, start: (command) => stage.start(command) }, {});
    return { ...(await arrangeBroker(stage, {})), crowd: floodOf(elsewhere) };
  },
};
