import _ from 'lodash';
import { program } from '../program.js';

export default program('groups, merges, compares, and renders a template', () => {
  return [
    _.groupBy([1.2, 1.8, 2.1], Math.floor),
    _.merge({ a: [1] }, { a: [7, 2], b: { c: 3 } }),
    _.isEqual({ a: new Map([[1, 2]]) }, { a: new Map([[1, 2]]) }),
    _.template('<%= a %>-<%- b %>')({ a: '<', b: '<' }),
    _.chain([3, 1, 2]).sortBy().reverse().value(),
  ];
});
