import mitt from 'mitt';
import { program } from '../program.js';

export default program('tells listeners', () => {
  const heard = [];
  const emitter = mitt();
  emitter.on('*', (type, x) => heard.push([type, x]));
  emitter.emit('a', 1);
  return heard;
});
