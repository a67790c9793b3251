import EventEmitter from 'eventemitter3';
import { program } from '../program.js';

export default program('tells listeners', () => {
  const heard = [];
  const emitter = new EventEmitter();
  emitter.on('a', (x) => heard.push(x)).once('a', (x) => heard.push(-x));
  emitter.emit('a', 1);
  emitter.emit('a', 2);
  return heard;
});
