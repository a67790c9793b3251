/** A domain that cannot be started. */
export default function start(): never {
  throw new Error('the vault is jammed');
}
