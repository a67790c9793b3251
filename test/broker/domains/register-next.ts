/** The next version of register.ts. */
import { register } from './register.js';

export default register('next');
