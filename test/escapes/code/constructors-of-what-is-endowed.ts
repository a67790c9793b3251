import { escapeClass } from '../harness/escape-class.js';

export default escapeClass({
  name: 'constructors of what is endowed',
  from: 'node:vm is no wall: objects of the realm outside lead out',
  rules: ['R1', 'R5'],
  out: "from something that the domain was handed, code is made that sees Node's process",
  bare: 'vm',
  attempts: {
    'the world': `return reaches(world);`,
    'its grants': `return reaches(world.grants);`,
    'a stub': `return reaches(world.grants.log);`,
    'a method of a stub': `return isProcess(world.grants.log.write.constructor.constructor('return process')());`,
    'a promise of a result': `return reaches(world.grants.neighbour.echo({ text: 'x' }));`,
    'a result': `return reaches(await world.grants.neighbour.echo({ text: 'x' }));`,
    'a function of the world': `return isProcess(world.object.constructor('return process')());`,
    'its prototype': `return reaches(Object.getPrototypeOf(world.grants.log));`,
    'the arguments of a callback': `let got;
      await world.grants.neighbour.tell({ text: 'x', listener: { heard(...given) { got = given; return { answer: 'x' }; } } });
      return reaches(got[0]);`,
  },
});
