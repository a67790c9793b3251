/** A compiled schema, whose bytes the bundler puts into the page. */
declare module '*.cgr' {
  const bytes: Uint8Array;
  export default bytes;
}
