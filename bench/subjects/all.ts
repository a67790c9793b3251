/** Every subject, in the order of tables and charts. */

import { subject as brokered } from './brokered.js';
import { subject as capnpTs } from './capnp-ts.js';
import { subject as capnweb } from './capnweb.js';
import { subject as captp } from './captp.js';
import { subject as cpp } from './cpp.js';
import { subject as crowded } from './crowded.js';
import { subject as direct } from './direct.js';
import { subject as elsewhere } from './elsewhere.js';
import { subject as grpc } from './grpc.js';
import { subject as piscina } from './piscina.js';
import { subject as policy } from './policy.js';
import { subject as raw } from './raw.js';
import { subject as relay } from './relay.js';
import type { Subject } from './subject.js';

export const SUBJECTS: readonly Subject[] = [
  raw,
  relay,
  direct,
  brokered,
  policy,
  crowded,
  elsewhere,
  cpp,
  capnpTs,
  capnweb,
  captp,
  grpc,
  piscina,
];
