import { addMonths, differenceInCalendarDays, parseISO } from 'date-fns';
import { program } from '../program.js';

export default program('calculates with dates', () => {
  const day = parseISO('2024-01-31T12:00:00Z');
  return [addMonths(day, 1).toISOString(), differenceInCalendarDays(parseISO('2025-01-31T12:00:00Z'), day)];
});
