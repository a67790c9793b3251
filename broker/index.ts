/** The broker, for programs that run one themselves. The command line is in cli/. */
export { Broker, type BrokerOptions } from './broker.js';
export { type Clock, SYSTEM_CLOCK } from './clock.js';
export {
  type Config,
  ConfigError,
  type ConfigInput,
  defineConfig,
  loadConfig,
  parseConfig,
} from './config.js';
export { createLogger, type LogOptions } from './log.js';
export type { Resolve } from './powers/http.js';
export { StartupError } from './startup-error.js';
