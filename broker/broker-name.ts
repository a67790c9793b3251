/** The name and the id of the broker as a home of objects. No domain may have it. */
export const BROKER_HOME = 'sturdy';
