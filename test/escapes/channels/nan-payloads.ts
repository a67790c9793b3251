import { escapeClass } from '../harness/escape-class.js';

const HIDE = `const hide = (value) => { const view = new DataView(new ArrayBuffer(8)); view.setUint32(0, 0x7ff80000 | value); return view.getFloat64(0); };
  const find = (number) => { const view = new DataView(new ArrayBuffer(8)); view.setFloat64(0, number); return view.getUint32(0) & 0xffff; };`;

export default escapeClass({
  name: 'what a NaN carries',
  from: 'IEEE 754: a NaN has 51 bits that no comparison sees',
  rules: ['R3'],
  out: 'bits that were hidden in a NaN come out of a message',
  attempts: {
    'to another domain and back': `${HIDE} const { float } = await world.grants.neighbour.echo({ text: 'x', float: hide(0xbee) }); return find(float) === 0xbee;`,
    'with a sign': `${HIDE} const { float } = await world.grants.neighbour.echo({ text: 'x', float: hide(0x80000bee) }); return find(float) === 0xbee;`,
    'out of a list of floats': `${HIDE} const [hidden] = new Float64Array([hide(0xbee)]); const { float } = await world.grants.neighbour.echo({ text: 'x', float: hidden }); return find(float) === 0xbee;`,
  },
});
