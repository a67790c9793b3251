import validator from 'validator';
import { program } from '../program.js';

export default program('checks addresses, numbers of cards and of books', () => {
  return [
    validator.isEmail('a@b.com'),
    validator.isURL('https://example.com/a?b'),
    validator.isCreditCard('4111111111111111'),
    validator.isISBN('978-3-16-148410-0'),
    validator.escape('<a>'),
  ];
});
