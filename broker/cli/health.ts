/** `sturdy health`: for a person and for a service manager: exit code 0 while the broker is ready. */
import type { Command } from 'commander';
import { RpcError } from '../../client/index.js';
import { escapeControls } from '../redaction.js';
import { asOperator, type GlobalOptions } from './operator.js';
import { printAnswer } from './print.js';

const HEALTH_SECONDS = 5;

export function addHealth(program: Command): void {
  program
    .command('health')
    .description('whether the broker is ready')
    .action(async (_options: object, command: Command) => {
      const { json = false } = command.optsWithGlobals<GlobalOptions>();
      const health = await asOperator(command, (operator) => operator.health({}), HEALTH_SECONDS);
      printAnswer(json, health, () => {
        const seconds = Number(health.uptimeMillis / 1000n);
        const detail = health.detail === '' ? '' : `; ${escapeControls(health.detail)}`;
        return `${health.ready ? 'ready' : 'not ready'}, up ${seconds} s, ${health.connections} connections${detail}`;
      });
      if (!health.ready)
        throw new RpcError('failed', `not ready: ${health.detail}`, { code: 'ERR_NOT_READY' });
    });
}
