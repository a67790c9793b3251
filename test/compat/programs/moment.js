import moment from 'moment';
import { program } from '../program.js';

export default program('calculates with dates and formats them', () => {
  const day = moment.utc('2024-01-31T00:00:00Z');
  return [day.clone().add(1, 'month').format('YYYY-MM-DD'), day.isBefore('2025-01-01'), day.isoWeek()];
});
