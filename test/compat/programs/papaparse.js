import Papa from 'papaparse';
import { program } from '../program.js';

export default program('reads and writes CSV', () => {
  const { data } = Papa.parse('name,age\n"Doe, J",42\nRoe,7\n', {
    header: true,
    dynamicTyping: true,
    skipEmptyLines: true,
  });
  return [data, Papa.unparse(data)];
});
