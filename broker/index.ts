/** The broker, for programs that run one themselves. The command line is in cli/. */
export { Broker, sturdyAddress } from './broker.js';
export { type Config, type ConfigInput, defineConfig, loadConfig } from './config.js';
export { StartupError } from './startup-error.js';
