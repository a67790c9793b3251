/**
 * The domain API: what a domain's author writes against. Types only; `make-world.ts` makes it in the thread.
 */

/**
 * What the default export of a domain's module is called with. Frozen, and all there is: no Node, no globals but those of
 * standard JavaScript, and `console` where the domain was granted `log`.
 */
export interface World<Grants extends object = AnyGrants> {
  /** The domain's name in the broker's configuration. */
  readonly name: string;

  /**
   * A stub for each capability that the domain was granted, by the name that the configuration gives it: powers as
   * `storage`, `clock`, `http`; directories, secrets and objects of other domains by the names chosen for them. They stay
   * the domain's as long as it runs.
   */
  readonly grants: Readonly<Grants>;

  /**
   * Gives `implementation`, an object that implements the interface, the id by which `restore` will be asked for it, so
   * that references to it can be minted. Returns `implementation` itself. Throws where the schema has no such interface,
   * and where the object has another id already. An object that never gets an id can be called and passed on, but not
   * saved.
   *
   * @param interfaceName as the schema has it: `Account`.
   * @param objectId 1 to 1024 bytes of UTF-8.
   */
  object<T extends object>(interfaceName: string, objectId: string, implementation: T): T;

  /**
   * Which of the domain's own objects is behind `stub`, a capability that somebody passed in, and what may be done through
   * it; null where it is no object of this domain. The object itself is never given for a stub: through it more might be
   * done than the stub allows. Waits until `stub` is resolved.
   */
  own(stub: object): Promise<Own | null>;
}

/** Grants whose interfaces nobody has declared. */
// biome-ignore lint/suspicious/noExplicitAny: a stub without a declared interface has any method
export type AnyGrants = Record<string, any>;

/** What `World.own` says of a capability. */
export interface Own {
  /** The object's id: empty for the domain's main object. */
  readonly object: string;
  /** The name of its interface. */
  readonly interface: string;
  /**
   * Whether a method, named with its interface (`Account.withdraw`), may be called through the stub: with any params, and as
   * often as one likes. Where it is constrained or counted, only calling it can tell.
   */
  allows(method: string): boolean;
}

/** What a domain's default export returns, or promises. */
export interface Program {
  /** The main object: implements the interface that the configuration names for the domain. */
  readonly main: object;
  /**
   * The object of an id that `World.object` once gave, made by `World.object` again. Throws where there is none. Not asked for
   * an object that somebody holds. Without this, only the main object can be saved.
   */
  restore?(objectId: string): object | Promise<object>;
}

/** The default export of a domain's module. */
export type Start<Grants extends object = AnyGrants> = (world: World<Grants>) => Program | Promise<Program>;
