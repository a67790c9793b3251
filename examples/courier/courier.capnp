@0xc2f4a1d86b3e9075;
# The example of powers for the world outside: something is fetched from a service, and put into a directory.

interface Courier {
  fetch @0 (service :Text, name :Text) -> (bytes :UInt32);
  # Fetches the report of this name from the service, which is an origin, into the directory that the courier was given.

  attempts @1 (service :Text) -> (attempts :List(Text));
  # What it gets where it goes further than it was sent: an error for each.
}
