/** What a file of a class of denial of service says. */
export interface DenialClass {
  readonly name: string;
}
