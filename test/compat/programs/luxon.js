import { DateTime, Duration } from 'luxon';
import { program } from '../program.js';

export default program('calculates with dates in a zone of its own offset', () => {
  const day = DateTime.fromISO('2024-02-29T10:00:00', { zone: 'UTC+2' });
  return [
    day.plus({ years: 1 }).toISO(),
    Duration.fromObject({ hours: 50 }).shiftTo('days', 'hours').toObject(),
  ];
});
