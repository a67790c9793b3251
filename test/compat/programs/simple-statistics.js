import * as statistics from 'simple-statistics';
import { program } from '../program.js';

export default program('fits a line and takes the moments of a sample', () => {
  const sample = [2, 3, 5, 7, 11, 13];
  return [
    statistics.median(sample),
    statistics.standardDeviation(sample).toFixed(9),
    statistics.linearRegression(sample.map((y, x) => [x, y])),
  ];
});
