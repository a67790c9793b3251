import { Decimal } from 'decimal.js';
import { program } from '../program.js';

export default program('calculates with fifty digits', () => {
  Decimal.set({ precision: 50 });
  return [
    new Decimal(2).sqrt().toString(),
    new Decimal('0.1').plus('0.2').toString(),
    Decimal.exp(1).toString(),
  ];
});
