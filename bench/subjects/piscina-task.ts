/** What the thread of the piscina subject runs. */
export default (payload: Uint8Array): Uint8Array => payload;
