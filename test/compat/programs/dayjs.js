import dayjs from 'dayjs';
import utc from 'dayjs/plugin/utc.js';
import { program } from '../program.js';

export default program('calculates with dates and formats them', () => {
  dayjs.extend(utc);
  const day = dayjs.utc('2024-02-28T10:00:00Z');
  return [day.add(2, 'day').format('YYYY-MM-DD ddd'), day.diff(dayjs.utc('2023-02-28'), 'month')];
});
