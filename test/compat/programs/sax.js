import sax from 'sax';
import { program } from '../program.js';

export default program('reads XML as a stream of events', () => {
  const events = [];
  const parser = sax.parser(true);
  parser.onopentag = ({ name, attributes }) => events.push(['open', name, attributes]);
  parser.ontext = (text) => events.push(['text', text]);
  parser.onclosetag = (name) => events.push(['close', name]);
  parser.write('<a b="c">d<e/></a>').close();
  return events;
});
