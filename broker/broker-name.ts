/** The name and the id of the broker as a home of objects. No domain may have it. */
export const BROKER_HOME = 'sturdy';
/** The same of the home of the domains' powers. No name of a domain has a dot in it. */
export const POWERS_HOME = 'sturdy.powers';
