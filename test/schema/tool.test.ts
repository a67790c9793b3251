/** Our codecs against the C++ implementation, on random values, both ways. Each run of the tool is a stream of messages. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StructType } from '../../schema/index.js';
import { convert, evaluate, type Format, TOOL_REQUIRED, toolMissing } from './capnp-tool.js';
import { DEFAULTS } from './defaults.js';
import { fromJson, readableAsJson, readableAsText, toJson, toText } from './notations.js';
import { completed, type StructValue, structValue } from './random-values.js';
import { decode, encode, everything } from './schemas.js';
import { framed, scattered, unframed } from './streams.js';

/** Shrinking runs the tool each time: it ends where a failure would no longer be reported by its seed. */
const PARAMETERS = { interruptAfterTimeLimit: 10_000 };

/** Streams of `messages` values, most of them flat, some deep. */
function streamOf(type: StructType, messages: number): fc.Arbitrary<StructValue[]> {
  const value = fc.oneof(
    { weight: 30, arbitrary: structValue(type, 1) },
    { weight: 5, arbitrary: structValue(type, 2) },
    { weight: 1, arbitrary: structValue(type, 3) },
  );
  return fc.array(value, { minLength: messages, maxLength: messages });
}

function lines(output: Buffer): string[] {
  return output.toString().trimEnd().split('\n');
}

if (toolMissing !== null && TOOL_REQUIRED) {
  it('the capnp tool is here', () => expect.unreachable(toolMissing ?? ''));
}

describe.skipIf(toolMissing !== null)(
  `against the capnp tool${toolMissing ? ` (${toolMissing})` : ''}`,
  () => {
    const STRUCTS = [
      { name: 'Everything', messages: 100, numRuns: 6 },
      { name: 'Defaults', messages: 200, numRuns: 3 },
      { name: 'Numbers', messages: 300, numRuns: 2 },
    ] as const;

    describe.each(STRUCTS)('$name', ({ name, messages, numRuns }) => {
      const type = everything.struct(name);
      const place = { schema: 'everything', type: name } as const;
      const stream = streamOf(type, messages);
      const parameters = { ...PARAMETERS, numRuns };

      /** Both as the program sees them: with the defaults of what they leave out. */
      const expectSame = (actual: readonly StructValue[], values: readonly StructValue[]) => {
        expect(actual).toHaveLength(values.length);
        for (const [i, value] of values.entries()) {
          expect(actual[i]).toEqual(completed(type, value, DEFAULTS));
        }
      };
      const encoded = (values: readonly StructValue[]) =>
        framed(values.map((value) => [encode(type, value)]));
      const decoded = (output: Uint8Array) => unframed(output).map((segments) => decode(type, segments));

      it('reads in JSON what we wrote', () => {
        fc.assert(
          fc.property(stream, (values) => {
            const read = lines(convert('binary:json', place, encoded(values))).map((line) =>
              completed(type, fromJson(type, JSON.parse(line)), DEFAULTS),
            );
            expectSame(read, values);
          }),
          parameters,
        );
      });

      it('reads what we wrote over many segments', () => {
        fc.assert(
          fc.property(stream, fc.infiniteStream(fc.nat()), (values, random) => {
            const choose = (below: number) => random.next().value % below;
            const messages = values.map((value) => scattered(encode(type, value), choose));
            const read = lines(convert('binary:json', place, framed(messages))).map((line) =>
              completed(type, fromJson(type, JSON.parse(line)), DEFAULTS),
            );
            expectSame(read, values);
          }),
          { ...parameters, numRuns: 1 },
        );
      });

      it.each<{ from: Format; options: string[] }>([
        { from: 'json', options: [] },
        { from: 'text', options: [] },
        { from: 'json', options: ['--segment-size=1'] },
        { from: 'text', options: ['--segment-size=7'] },
      ])('writes from $from $options what we read', ({ from, options }) => {
        const write = from === 'json' ? toJson : toText;
        const readable = from === 'json' ? readableAsJson : readableAsText;
        fc.assert(
          fc.property(stream, (random) => {
            const values = random.map(readable);
            const input = values.map((value) => write(type, value)).join('\n');
            expectSame(decoded(convert(`${from}:binary`, place, input, options)), values);
          }),
          { ...parameters, numRuns: Math.ceil(numRuns / 2) },
        );
      });

      it('says the same of what we wrote as of what it wrote', () => {
        fc.assert(
          fc.property(stream, (values) => {
            const text = values.map((value) => toText(type, value)).join('\n');
            const ours = lines(convert('binary:text', place, encoded(values)));
            const own = lines(convert('text:text', place, text));
            // In text it cannot write an empty union member apart from none, and it drops the sign of a zero.
            expect(ours).toEqual(own);
          }),
          { ...parameters, numRuns: 1 },
        );
      });

      it('makes canonical messages that we read', () => {
        fc.assert(
          fc.property(fc.oneof(structValue(type, 1), structValue(type, 2)), (value) => {
            const canonical = convert('binary:canonical', place, encoded([value]));
            expectSame([decode(type, [canonical])], [value]);
          }),
          { ...parameters, numRuns: 25 },
        );
      });
    });

    it('has the constants that we have', () => {
      const type = everything.struct('Constants');
      const tool = fromJson(type, JSON.parse(evaluate('everything', 'constants', 'json').toString()));
      const names = everything.names('const').filter((name) => name !== 'constants');
      expect(Object.keys(tool).sort()).toEqual(names);
      const ours = Object.fromEntries(names.map((name) => [name, everything.constant(name)]));
      expect(ours).toEqual(completed(type, tool, DEFAULTS));
      expect(everything.constant('constants')).toEqual(ours);
      expect(decode(type, unframed(evaluate('everything', 'constants', 'binary'))[0]!)).toEqual(ours);
    });
  },
);
