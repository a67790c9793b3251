/**
 * A client that asks for far more than it can get: `node flood.js FILE`, with a reference in the file. It says `ready`; from
 * `go` to `stop` it keeps so many calls in flight, and then says `stopped` when all of them have ended.
 */

import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { connect, SturdyRef } from '../client/index.js';
import { type EchoStub, echoType } from './subjects/direct.js';
import { payloadOf, SMALL } from './workload.js';

const IN_FLIGHT = 100_000;

const ref = SturdyRef.parse(readFileSync(process.argv[2]!, 'utf8'));
const session = await connect(ref);
const echo = session.restore<EchoStub>(ref, echoType());
const payload = payloadOf(SMALL);
await echo.echo({ payload });

let flooding = false;
let underWay = 0;
let stopped = () => {};

function call(): void {
  underWay++;
  echo.echo({ payload }).then(ended, ended);
}

function ended(): void {
  underWay--;
  if (flooding) call();
  else if (underWay === 0) stopped();
}

console.log('ready');
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'go') {
    flooding = true;
    while (underWay < IN_FLIGHT) call();
    console.log('going');
  } else {
    const over = new Promise<void>((resolve) => {
      stopped = resolve;
    });
    flooding = false;
    if (underWay > 0) await over;
    console.log('stopped');
  }
}
session.close();
